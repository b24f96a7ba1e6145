// A Node.js server: `node node.mjs PORT`. Its keep-alive timeout is the default of Node, five seconds.
import { createServer } from "node:http";

const server = createServer((request, response) => {
  const number = request.url.match(/^\/node\/number\/(\d+)$/);
  if (number) {
    response.setHeader("Content-Type", "application/json");
    response.end(number[1]);
  } else if (request.url === "/node/script.js") {
    response.setHeader("Content-Type", "text/javascript");
    response.write("window.fromNode = ");
    setImmediate(() => response.end("'yes';"));
  } else {
    response.writeHead(404, { "Content-Type": "text/plain" });
    response.end("no such thing\n");
  }
});
server.listen(Number(process.argv[2]), "127.0.0.1");

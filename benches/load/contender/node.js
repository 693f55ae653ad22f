// The SSE server of the tutorials: a list of open responses, a POST that writes to each of them.
const http = require('node:http');

let clients = [];
let id = 0;

const server = http.createServer((req, res) => {
  if (req.method === 'GET') {
    res.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache',
      Connection: 'keep-alive',
    });
    res.flushHeaders();
    clients.push(res);
    req.on('close', () => {
      clients = clients.filter((client) => client !== res);
    });
    return;
  }
  let body = '';
  req.on('data', (part) => {
    body += part;
  });
  req.on('end', () => {
    id += 1;
    clients.forEach((client) => client.write(`id: ${id}\ndata: ${body}\n\n`));
    res.writeHead(202, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify({ id }));
  });
});
server.keepAliveTimeout = 3600 * 1000;
server.listen(Number(process.argv[2]), '127.0.0.1');

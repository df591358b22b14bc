// TLS by node, for node_spec.lua: `node node.js serve|call OPTIONS`, where OPTIONS are JSON. Echoes
// what comes until the peer ends, and only then ends itself.
'use strict';
const fs = require('fs');
const tls = require('tls');

const [, , what, text] = process.argv;
const given = JSON.parse(text);
const shared = {
  ca: fs.readFileSync(given.ca), cert: fs.readFileSync(given.own), key: fs.readFileSync(given.own),
  minVersion: given.version, maxVersion: given.version, ALPNProtocols: ['other', given.alpn],
  allowHalfOpen: true,
};

function serve() {
  const options = { ...shared, requestCert: true, rejectUnauthorized: true };
  const server = tls.createServer(options, (socket) => {
    const peer = socket.getPeerCertificate().subject; // a session of TLS 1.2 need not have it
    console.log(`${peer && peer.CN} ${socket.alpnProtocol} ${socket.isSessionReused()}`);
    socket.on('error', (error) => console.log(error.message));
    socket.pipe(socket);
  });
  server.on('tlsClientError', (error) => console.log(error.message));
  server.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
}

function call(session) {
  const data = fs.readFileSync(given.data);
  const options = { ...shared, host: '127.0.0.1', port: given.port, servername: 'localhost', session };
  const socket = tls.connect(options, () => {
    console.log(`${socket.alpnProtocol} ${socket.isSessionReused()}`);
    socket.end(data); // half of it is over, and the rest comes
  });
  let latest;
  const parts = [];
  socket.on('session', (one) => { latest = one; });
  socket.on('data', (part) => parts.push(part));
  socket.on('error', (error) => console.log(error.message));
  socket.on('end', () => {
    console.log(Buffer.concat(parts).equals(data) ? 'all of it' : 'something else');
    if (!session) call(latest);
  });
}

if (what === 'serve') serve(); else call();

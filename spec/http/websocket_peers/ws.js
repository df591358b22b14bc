// npm's ws at the other end, for websocket_peers_spec.lua: `node ws.js call URL [DEFLATE]` sends
// messages and compares what comes back; `node ws.js serve [DEFLATE]` sends back what comes.
'use strict';
const { WebSocket, WebSocketServer } = require('ws');

const [, , what, where, ...rest] = process.argv;

function* messages() {
  for (const size of [0, 1, 125, 126, 65535, 65536, 200000]) {
    yield 'é'.repeat(size >> 1);
    yield Buffer.alloc(size, 0xfe);
  }
}

function call(url, deflate) {
  const socket = new WebSocket(url, ['other', 'echo'], {
    perMessageDeflate: deflate, rejectUnauthorized: false,
  });
  const list = [...messages()];
  let at = 0;
  const next = () => (at < list.length ? socket.send(list[at]) : socket.ping('almost'));
  socket.on('open', () => {
    console.log(`open ${socket.protocol} ${socket.extensions}`);
    next();
  });
  socket.on('message', (data, binary) => {
    const same = Buffer.from(list[at]).equals(data) && binary === (typeof list[at] !== 'string');
    if (!same) console.log(`message ${at} differs`);
    at += 1;
    next();
  });
  socket.on('pong', (data) => {
    console.log(`pong ${data}`);
    socket.close(4000, 'done');
  });
  socket.on('close', (code, reason) => console.log(`closed ${code} ${reason}`));
  socket.on('error', (error) => console.log(`error ${error.message}`));
}

function serve(deflate) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: deflate });
  server.on('listening', () => console.log(`listening on ${server.address().port}`));
  server.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.on('close', (code, reason) => console.log(`closed ${code} ${reason}`));
  });
}

if (what === 'call') call(where, rest[0] === 'deflate');
else serve(where === 'deflate');

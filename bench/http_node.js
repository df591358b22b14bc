// HTTP with Node: /hello, /echo, /file as http_kio.lua has them. Argument: FOLDER.
const http = require('http'), fs = require('fs')
const file = process.argv[2] + '/file'

function echo(req, res) {
  const pieces = []
  req.on('data', (piece) => pieces.push(piece))
  req.on('end', () => {
    const body = Buffer.concat(pieces)
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length })
    res.end(body)
  })
}

function sendFile(res) {
  fs.stat(file, (err, facts) => {
    res.writeHead(200, { 'Content-Length': facts.size })
    fs.createReadStream(file).pipe(res)
  })
}

const server = http.createServer((req, res) => {
  if (req.url === '/echo') echo(req, res)
  else if (req.url === '/file') sendFile(res)
  else res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13 })
    .end('hello, world\n')
})
server.listen(0, '127.0.0.1', () => console.log('ready ' + server.address().port))

// COUNT requests of /hello over 50 connections with Node's fetch (undici): PORT COUNT.
const [port, count] = process.argv.slice(2).map(Number)
const CONNECTIONS = 50

async function talk(n) {
  for (let i = 0; i < n; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/hello`)
    const text = await answer.text()
    if (text !== 'hello, world\n') throw new Error('a wrong answer')
  }
}

async function main() {
  await Promise.all(Array.from({ length: CONNECTIONS }, () => talk(1)))
  const real = process.hrtime.bigint(), cpu = process.cpuUsage()
  await Promise.all(Array.from({ length: CONNECTIONS }, () => talk(count / CONNECTIONS)))
  const used = process.cpuUsage(cpu)
  const took = Number(process.hrtime.bigint() - real)
  console.log(`real=${took / count} cpu=${(used.user + used.system) * 1000 / count}`)
  process.exit(0)
}
main()

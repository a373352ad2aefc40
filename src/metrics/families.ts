import { Counter, Gauge, type Registry } from 'prom-client'
import type { Histogram } from './histogram.js'

/** Adds families of metrics to those of a process. */
export type Families = ReturnType<typeof createFamilies>

/** Values by their label. */
export type Labelled = Iterable<readonly [value: string, count: number]>

/** Families whose names begin with `damselfly_`, and whose values are read when they are asked for. */
export function createFamilies(registry: Registry) {
  const about = (name: string, help: string) => ({ name: `damselfly_${name}`, help, registers: [registry] })
  const histograms: (() => string)[] = []
  return {
    counter(name: string, help: string, read: () => number): void {
      new Counter({
        ...about(name, help),
        collect() {
          this.reset()
          this.inc(read())
        },
      })
    },
    counterBy(name: string, label: string, help: string, read: () => Labelled): void {
      new Counter({
        ...about(name, help),
        labelNames: [label],
        collect() {
          this.reset()
          for (const [value, count] of read()) this.inc({ [label]: value }, count)
        },
      })
    },
    gauge(name: string, help: string, read: () => number | undefined | Promise<number | undefined>): void {
      new Gauge({
        ...about(name, help),
        async collect() {
          const value = await read()
          if (value === undefined) this.remove()
          else this.set(value)
        },
      })
    },
    gaugeBy(name: string, label: string, help: string, read: () => Labelled | Promise<Labelled>): void {
      new Gauge({
        ...about(name, help),
        labelNames: [label],
        async collect() {
          const values = await read()
          this.reset()
          for (const [value, count] of values) this.set({ [label]: value }, count)
        },
      })
    },
    histogram(name: string, help: string, recorded: Histogram): void {
      histograms.push(() => formatHistogram(`damselfly_${name}`, help, recorded))
    },
    async text(): Promise<string> {
      return [await registry.metrics(), ...histograms.map((format) => format())].join('\n')
    },
  }
}

/** Prometheus's text format for what prom-client would have to be told one by one. */
function formatHistogram(name: string, help: string, { bounds, counts, sum }: Histogram): string {
  let count = 0
  const buckets = counts.map((own, index) => {
    count += own
    return `${name}_bucket{le="${bounds[index] ?? '+Inf'}"} ${count}`
  })
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...buckets]
  return [...lines, `${name}_sum ${sum}`, `${name}_count ${count}`, ''].join('\n')
}

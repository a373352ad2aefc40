import { describe, expect, it } from 'vitest'
import { createEmitter, type EmittedMessage, type Emitter, type Listener } from '#src/broker/emitter.js'

function messageOn(topic: string, payload = ''): EmittedMessage {
  return {
    cmd: 'publish',
    topic,
    payload,
    ...{ qos: 0, retain: false, dup: false },
    ...{ brokerId: 'broker', brokerCounter: 1 },
  }
}

const nothing = (): void => undefined

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** Listens, and notes what comes as `name` and topic. */
function note(emitter: Emitter, filter: string, name: string, notes: string[]): Listener {
  const listener: Listener = ({ topic }, done) => {
    notes.push(`${name} ${topic}`)
    done()
  }
  emitter.on(filter, listener)
  return listener
}

/** Who of these filters is called for a topic. */
function calledFor(topic: string, filters: readonly string[]): readonly string[] {
  const emitter = createEmitter()
  const called: string[] = []
  for (const filter of filters) {
    emitter.on(filter, (_message, done) => {
      called.push(filter)
      done()
    })
  }
  emitter.emit(messageOn(topic), nothing)
  return called.sort()
}

describe('Who is called', () => {
  it.each([
    ['a/b', ['a/b', 'a/+', 'a/#', '#', '+/b', '+/+', 'a/b/#'], ['a/c', '+', 'a', 'a/b/+', '/a/b']],
    ['a', ['a', '+', '#', 'a/#'], ['a/+', '/+']],
    ['/a', ['/a', '/+', '+/a', '+/+', '#', '/#'], ['a', '+']],
    ['a//b', ['a/+/b', 'a//b', 'a/#'], ['a/b', 'a/+']],
  ])('[MQTT-4.7.1-2], [MQTT-4.7.1-3] %s', (topic, matching, others) => {
    expect(calledFor(topic, [...matching, ...others])).toEqual([...matching].sort())
  })

  it('[MQTT-4.7.2-1] no filter that begins with a wildcard has what begins with $', () => {
    expect(calledFor('$SYS/a', ['#', '+/a', '$SYS/#', '$SYS/+'])).toEqual(['$SYS/#', '$SYS/+'])
  })

  it('someone who begins to listen after others were remembered', () => {
    const emitter = createEmitter()
    const notes: string[] = []
    expect(emitter.hasListeners('a/b')).toBe(false)
    note(emitter, 'a/+', 'one', notes)
    expect(emitter.hasListeners('a/b')).toBe(true)
    emitter.emit(messageOn('a/b'), nothing)
    note(emitter, '#', 'other', notes)
    emitter.emit(messageOn('a/b'), nothing)
    expect(notes.sort()).toEqual(['one a/b', 'one a/b', 'other a/b'])
  })

  it('someone for a topic that is too long to be remembered', () => {
    const emitter = createEmitter()
    const topic = 'x'.repeat(200)
    expect(emitter.hasListeners(topic)).toBe(false)
    emitter.on(topic, (_message, done) => done())
    expect(emitter.hasListeners(topic)).toBe(true)
  })

  it('those of one filter in the order in which they began, and messages in the order of their coming', () => {
    const emitter = createEmitter()
    const notes: string[] = []
    for (const name of ['one', 'two', 'three']) note(emitter, '+', name, notes)
    for (const topic of ['a', 'b']) emitter.emit(messageOn(topic), nothing)
    expect(notes).toEqual(['one a', 'two a', 'three a', 'one b', 'two b', 'three b'])
  })

  it('a delivery instead of its listener, with what is not retained', () => {
    const emitter = createEmitter()
    const delivered: EmittedMessage[] = []
    const listener = (): never => {
      throw new Error('called')
    }
    emitter.on('a', listener, undefined, (message) => void delivered.push(message))
    emitter.emit({ ...messageOn('a', 'text'), retain: true }, nothing)
    expect(delivered).toEqual([messageOn('a', 'text')])
  })
})

describe('Whoever stops listening', () => {
  it('is called no more once it is told so, and the same filter of others still is', async () => {
    const emitter = createEmitter()
    const notes: string[] = []
    const listener = note(emitter, 'a/b', 'one', notes)
    note(emitter, 'a/b', 'other', notes)
    await new Promise<void>((resolve) => emitter.removeListener('a/b', listener, resolve))
    emitter.emit(messageOn('a/b'), nothing)
    expect(notes).toEqual(['other a/b'])
  })

  it('in a message still lets those behind it have that message', async () => {
    const emitter = createEmitter()
    const notes: string[] = []
    const leaving: Listener = (_message, done) => {
      emitter.removeListener('a', leaving)
      done()
    }
    emitter.on('a', leaving)
    note(emitter, 'a', 'other', notes)
    emitter.emit(messageOn('a'), nothing)
    await nextTurn()
    emitter.emit(messageOn('a'), nothing)
    expect(notes).toEqual(['other a', 'other a'])
  })

  it('twice, or without ever having begun, changes nothing', async () => {
    const emitter = createEmitter()
    const notes: string[] = []
    const listener = note(emitter, 'a/b', 'one', notes)
    for (const filter of ['a/b/c', 'b', 'a']) emitter.removeListener(filter, listener)
    await nextTurn()
    emitter.emit(messageOn('a/b'), nothing)
    emitter.removeListener('a/b', listener)
    emitter.removeListener('a/b', listener)
    await nextTurn()
    expect(emitter.hasListeners('a/b')).toBe(false)
    expect(notes).toEqual(['one a/b'])
  })
})

describe('A message has been delivered', () => {
  it('at once where nobody listens', () => {
    let count = 0
    createEmitter().emit(messageOn('a'), () => {
      count += 1
    })
    expect(count).toBe(1)
  })

  it('once, when the last of those who listen is done', () => {
    const emitter = createEmitter()
    const waiting: (() => void)[] = []
    let count = 0
    emitter.on('a', (_message, done) => void waiting.push(done))
    emitter.on('+', (_message, done) => void waiting.push(done))
    emitter.on('#', (_message, done) => done())
    emitter.emit(messageOn('a'), () => {
      count += 1
    })
    waiting.shift()?.()
    expect(count).toBe(0)
    waiting.shift()?.()
    expect(count).toBe(1)
  })

  it('to a listener that fails: whoever published is told, and the next message goes its way', () => {
    const emitter = createEmitter()
    const notes: string[] = []
    let isFailing = true
    emitter.on('a', (_message, done) => {
      if (isFailing) throw new Error('it failed')
      done()
    })
    note(emitter, 'a', 'other', notes)
    expect(() => emitter.emit(messageOn('a'), nothing)).toThrow('it failed')
    isFailing = false
    emitter.emit(messageOn('a'), nothing)
    expect(notes).toEqual(['other a'])
  })

  it('to nobody, and not, after the end', async () => {
    const emitter = createEmitter()
    const notes: string[] = []
    note(emitter, 'a', 'one', notes)
    await new Promise<void>((resolve) => emitter.close(resolve))
    const failure = await new Promise<Error | undefined>((resolve) => emitter.emit(messageOn('a'), resolve))
    expect(failure).toBeInstanceOf(Error)
    expect(notes).toEqual([])
  })
})

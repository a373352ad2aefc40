import type { Subject } from './alert.js'

/** A subject in words, for people: `client X`. Characters that do something to a terminal are left out of it. */
export function nameOf(subject: Subject): string {
  return wordsFor(subject).replace(/\p{C}/gu, '?')
}

function wordsFor(subject: Subject): string {
  switch (subject.kind) {
    case 'server':
      return 'the server'
    case 'client':
      return `client ${subject.client}`
    case 'address':
      return `address ${subject.address}`
    case 'device':
      return 'device_id' in subject ? `device ${subject.device_id}` : `device ${subject.name}`
  }
}

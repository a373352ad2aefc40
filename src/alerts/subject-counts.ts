import { createLru } from '../cache/lru.js'
import type { Measured, Subject } from './alert.js'

/** How often something happened of late, subject by subject. */
export interface SubjectCounts {
  add(key: string, subject: Subject, nowMs: number): void
  measure(nowMs: number): Measured[]
}

interface Entry {
  subject: Subject
  window: number
  current: number
  previous: number
}

/**
 * Counts over a window that slides: what the window before had counts for the part of it that is not over. Remembers
 * at most `maxSubjects`, so that names made up by a peer cost no memory; who did nothing for the longest time is
 * forgotten.
 */
export function createSubjectCounts(windowMs: number, maxSubjects: number): SubjectCounts {
  const entries = createLru<string, Entry>(maxSubjects)

  const roll = (entry: Entry, window: number): void => {
    if (window === entry.window) return
    entry.previous = window === entry.window + 1 ? entry.current : 0
    entry.current = 0
    entry.window = window
  }

  return {
    add(key, subject, nowMs) {
      const window = Math.floor(nowMs / windowMs)
      let entry = entries.get(key)
      if (entry === undefined) {
        entry = { subject, window, current: 0, previous: 0 }
        entries.set(key, entry)
      }
      roll(entry, window)
      entry.current += 1
      entry.subject = subject
    },
    measure(nowMs) {
      const window = Math.floor(nowMs / windowMs)
      const remaining = 1 - (nowMs / windowMs - window)
      const measured: Measured[] = []
      const over: string[] = []
      for (const [key, entry] of entries.entries()) {
        roll(entry, window)
        const value = entry.current + entry.previous * remaining
        if (value > 0) measured.push({ key, subject: entry.subject, value })
        else over.push(key)
      }
      for (const key of over) entries.delete(key)
      return measured
    },
  }
}

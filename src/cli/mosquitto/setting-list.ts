import type { Option } from '../../config/option.js'
import { options, type SettingName } from '../../config/options.js'
import type { ConfLine } from './read-conf.js'

/** A setting of the `.env` file, and the line that asks for it; none where it is the absence of one that does. */
export interface ImportedSetting {
  readonly value: string
  readonly from: ConfLine | undefined
}

/** The settings that a mosquitto.conf comes to. */
export interface SettingList {
  /** @throws Error when Damselfly could not read `value`, which would be a fault of the translation. */
  set(name: SettingName, value: string | number | boolean, from: ConfLine | undefined): void
  get(name: SettingName): ImportedSetting | undefined
  /** In the order of docs/settings.md. */
  entries(): readonly (readonly [SettingName, ImportedSetting])[]
}

/** A list without a setting. */
export function createSettingList(): SettingList {
  const settings = new Map<SettingName, ImportedSetting>()
  return {
    set(name, value, from) {
      const text = String(value)
      const option: Option<unknown> = options[name]
      if (option.read(text) === undefined) throw new Error(`${name}=${text}; expected ${option.expected}`)
      settings.set(name, { value: text, from })
    },
    get: (name) => settings.get(name),
    entries() {
      const order = Object.keys(options)
      return [...settings].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    },
  }
}

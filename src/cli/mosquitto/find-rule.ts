import { bridgeOptions } from './bridge-options.js'
import { generalOptions, pluginOption, pluginOptionPrefixes } from './general-options.js'
import { listenerOptions } from './listener-options.js'
import type { Rule } from './rule.js'

const rules: ReadonlyMap<string, Rule> = new Map(
  [generalOptions, listenerOptions, bridgeOptions].flatMap((table) => Object.entries(table)),
)

const listenerNames: ReadonlySet<string> = new Set(Object.keys(listenerOptions))

/** What becomes of the option `name`; `undefined` when Mosquitto has none of that name. */
export function findRule(name: string): Rule | undefined {
  const isPluginOption = pluginOptionPrefixes.some((prefix) => name.startsWith(prefix))
  return isPluginOption ? pluginOption : rules.get(name)
}

/** Whether an option is about the listener under which it stands. */
export function isListenerOption(name: string): boolean {
  return listenerNames.has(name)
}

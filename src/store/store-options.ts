/** What a store is told beside its address. */
export interface StoreOptions {
  /** The zone of the DATETIME columns, in minutes east of UTC. */
  readonly zoneOffsetMinutes: number
}

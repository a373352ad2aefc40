/** A device, as far as events tell of it. */
export interface PeerDevice {
  /** `device_main.id`. */
  readonly id: number
  readonly deviceId: string
}

/** A client that has logged in. */
export interface PeerClient {
  readonly clientId: string
  readonly user: string | undefined
  /** The address, or the IPv6 network, that it comes from. */
  readonly address: string
  /** The device that it has logged in as, if it is one. */
  readonly device: PeerDevice | undefined
}

/** What clients and devices do, told as it happens. Names are as peers sent them, of any length. */
export interface PeerEvents {
  /** A client has logged in; `isTakeOver`: while an older connection of its own had the same client id. */
  connected(client: PeerClient, isTakeOver: boolean): void
  /** The connection of a client that had logged in has closed. */
  ended(client: PeerClient): void
  /** A login was not let in. */
  refused(client: Pick<PeerClient, 'clientId' | 'address'>): void
  /** A device has sent a message that can be stored. */
  heard(device: PeerDevice): void
  /** A message on a device topic was rejected; `device` is `undefined` where `name` stands for none. */
  rejected(name: string, device: PeerDevice | undefined): void
}

/** Where nobody listens. */
export const unheard: PeerEvents = {
  connected: () => undefined,
  ended: () => undefined,
  refused: () => undefined,
  heard: () => undefined,
  rejected: () => undefined,
}

/** Why a packet is none that this server takes: its connection is closed [MQTT-4.8.0-1]. */
export interface PacketFault {
  /** What is wrong, in words for the log. */
  readonly fault: string
  /** The statement of MQTT 3.1.1 that forbids it, or its section, or the setting that does. */
  readonly clause: string
  /** What a CONNACK says before the connection closes; none is sent where this is absent [MQTT-3.1.4-1]. */
  readonly returnCode?: 1 | 2
}

const fault = (clause: string, text: string): PacketFault => ({ clause, fault: text })

/** Every fault of a packet from client to server, of MQTT 3.1 and 3.1.1. */
export const faults = {
  // Fixed header
  lengthTooLong: fault('MQTT 3.1.1, 2.2.3', 'malformed remaining length'),
  packetTooLarge: fault('MAX_PACKET_BYTES', 'packet too large'),
  connectTooLarge: fault('MAX_PACKET_BYTES', 'CONNECT too large'),
  reservedType: fault('MQTT 3.1.1, 2.2.1', 'a reserved packet type'),
  serverOnly: fault('MQTT 3.1.1, 2.2.1', 'a packet that only a server sends'),
  reservedFlags: fault('MQTT-2.2.2-2', 'wrong flags in the fixed header'),
  pubrelFlags: fault('MQTT-3.6.1-1', 'wrong flags in the fixed header of PUBREL'),
  subscribeFlags: fault('MQTT-3.8.1-1', 'wrong flags in the fixed header of SUBSCRIBE'),
  unsubscribeFlags: fault('MQTT-3.10.1-1', 'wrong flags in the fixed header of UNSUBSCRIBE'),
  disconnectFlags: fault('MQTT-3.14.1-1', 'wrong flags in the fixed header of DISCONNECT'),
  wrongLength: fault('MQTT-4.8.0-1', 'a remaining length that its packet type does not have'),
  tooShort: fault('MQTT-4.8.0-1', 'a packet that ends before its fields do'),
  trailingBytes: fault('MQTT-4.8.0-1', 'bytes behind the last field'),
  packetIdentifierZero: fault('MQTT-2.3.1-1', 'packet identifier 0'),

  // Strings
  illFormedUtf8: fault('MQTT-1.5.3-1', 'ill-formed UTF-8'),
  nul: fault('MQTT-1.5.3-2', 'U+0000 in a string'),
  controlCharacter: fault('MQTT 3.1.1, 1.5.3', 'a control character in a string'),
  nonCharacter: fault('MQTT 3.1.1, 1.5.3', 'a non-character in a string'),

  // CONNECT
  noConnect: fault('MQTT-3.1.0-1', 'another packet before CONNECT'),
  secondConnect: fault('MQTT-3.1.0-2', 'a second CONNECT'),
  protocolName: fault('MQTT-3.1.2-1', 'an unknown protocol name'),
  protocolLevel: { ...fault('MQTT-3.1.2-2', 'an unacceptable protocol level'), returnCode: 1 },
  connectFlags: fault('MQTT-3.1.2-3', 'the reserved connect flag'),
  willQosWithoutWill: fault('MQTT-3.1.2-13', 'a will QoS without a will'),
  willRetainWithoutWill: fault('MQTT-3.1.2-15', 'a will retain without a will'),
  willQos: fault('MQTT-3.1.2-14', 'will QoS 3'),
  passwordWithoutUser: fault('MQTT-3.1.2-22', 'a password without a user name'),
  noClientId: { ...fault('MQTT-3.1.3-8', 'an empty client id'), returnCode: 2 },
  noWillTopic: fault('MQTT-4.7.3-1', 'an empty will topic'),
  willTopicWildcard: fault('MQTT-4.7.1-1', 'a wildcard in a will topic'),

  // PUBLISH
  qos: fault('MQTT-3.3.1-4', 'QoS 3'),
  dupAtQos0: fault('MQTT-3.3.1-2', 'DUP at QoS 0'),
  noTopic: fault('MQTT-4.7.3-1', 'an empty topic'),
  topicWildcard: fault('MQTT-3.3.2-2', 'a wildcard in a topic'),

  // PUBACK, PUBREC and PUBCOMP
  wrongAcknowledgement: fault('MQTT-4.8.0-1', 'an acknowledgement that its message does not have'),

  // SUBSCRIBE and UNSUBSCRIBE
  nothingToSubscribe: fault('MQTT-3.8.3-3', 'a SUBSCRIBE without a topic filter'),
  nothingToUnsubscribe: fault('MQTT-3.10.3-2', 'an UNSUBSCRIBE without a topic filter'),
  requestedQos: fault('MQTT-3-8.3-4', 'a requested QoS that is not 0, 1 or 2'),
  noFilter: fault('MQTT-4.7.3-1', 'an empty topic filter'),
  multiLevelWildcard: fault('MQTT-4.7.1-2', 'a # that is not the whole last level'),
  singleLevelWildcard: fault('MQTT-4.7.1-3', 'a + that is not a whole level'),
} as const satisfies Record<string, PacketFault>

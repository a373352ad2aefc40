const DHT11 =
  '{"device_id":"AIOT-ESP32-00000001","sensor":"DHT11","temperature":24.4,"humidity":39.0,"timestamp":1234}'
const tooMany = `{${Array.from({ length: 257 }, (_, index) => `"s${index}":1`).join(',')}}`
const most = `{${Array.from({ length: 256 }, (_, index) => `"s${index}":1`).join(',')}}`

/**
 * Data messages, plain and odd, and what becomes of each on one line: its readings and what else is stored, or
 * the reason it is rejected for; then, each behind a dash, what is left out of it and why.
 */
export const dataMessages: readonly (readonly [name: string, payload: string | Buffer, outcome: string])[] = [
  ['the firmware’s DHT11', DHT11, 'temperature=24.4 humidity=39'],
  ['the firmware’s DS18B20', '{"sensor":"DS18B20","temperature":21.5}', 'ds18b20=21.5'],
  [
    'the firmware’s RAIN_SENSOR',
    '{"device_id":"d","sensor":"RAIN_SENSOR","is_raining":true,"level":0,"timestamp":99}',
    'rain=true rain_level=0',
  ],
  [
    'the HTTP API’s form',
    '{"sensors":[{"sensor_name":"temperature","value":25.5,"unit":"°C"}],"status":{"battery":80},"location":{"latitude":39.9,"longitude":116.4}}',
    'temperature=25.5 status={"battery":80} location={"latitude":39.9,"longitude":116.4}',
  ],
  [
    'the simple form',
    '{"temperature":25.5,"humidity":60,"light":850}',
    'temperature=25.5 humidity=60 light=850',
  ],
  ['a status alone', '{"status":{"battery":80}}', 'status={"battery":80}'],
  [
    'a location alone',
    '{"location":{"latitude":-90,"longitude":180}}',
    'location={"latitude":-90,"longitude":180}',
  ],
  ['members beside the list', '{"sensors":[{"sensor_name":"a","value":1}],"b":2}', 'b=2 a=1'],
  ['booleans', '{"door":true,"window":false}', 'door=true window=false'],
  [
    'extreme numbers',
    '{"a":-0,"b":1.7976931348623157e308,"c":5e-324}',
    'a=0 b=1.7976931348623157e+308 c=5e-324',
  ],
  ['the longest name', `{"${'n'.repeat(50)}":1}`, `${'n'.repeat(50)}=1`],
  ['names of Object.prototype', '{"__proto__":1,"constructor":2}', '__proto__=1 constructor=2'],
  ['as many sensors as may be', most, Array.from({ length: 256 }, (_, index) => `s${index}=1`).join(' ')],
  ['names twice', '{"a":1,"a":2}', 'a=2'],

  ['nan', '{"temperature":nan,"humidity":39}', 'humidity=39 -bad-sensor-value:temperature'],
  ['-nan and nan(0x8)', '{"a":-nan,"b":nan(0x8),"c":1}', 'c=1 -bad-sensor-value:a -bad-sensor-value:b'],
  ['NaN and Infinity', '{"a":NaN,"b":-Infinity,"c":1}', 'c=1 -bad-sensor-value:a -bad-sensor-value:b'],
  ['trailing commas', '{"a":1,"sensors":[{"sensor_name":"b","value":2,},],}', 'a=1 b=2'],
  ['single quotes', "{'a':1,'status':{'say':'it\\'s \"so\"'}}", 'a=1 status={"say":"it\'s \\"so\\""}'],
  ['names without quotes', '{temperature:25.5}', 'temperature=25.5'],
  ['Python’s words', "{'on':True,'off':False,'none':None}", 'on=true off=false -bad-sensor-value:none'],
  ['a byte-order mark', '\uFEFF{"a":1}', 'a=1'],
  ['a NUL at the end', '{"a":1}\0', 'a=1'],
  ['white space around', ' \r\n{"a":1}\n ', 'a=1'],

  ['a bad name beside a good one', '{"Temp":1,"ok":2}', 'ok=2 -bad-sensor-name:Temp'],
  ['a name with a digit first', '{"1st":1,"ok":2}', 'ok=2 -bad-sensor-name:1st'],
  ['a name with a blank', '{"a b":1,"ok":2}', 'ok=2 -bad-sensor-name:a b'],
  ['an empty name', '{"":1,"ok":2}', 'ok=2 -bad-sensor-name:'],
  ['a name too long', `{"${'n'.repeat(51)}":1,"ok":2}`, `ok=2 -bad-sensor-name:${'n'.repeat(50)}`],
  ['a name with SQL', '{"a\'); DROP TABLE x;--":1,"ok":2}', "ok=2 -bad-sensor-name:a'); DROP TABLE x;--"],
  ['a string for a value', '{"a":"25.5","ok":2}', 'ok=2 -bad-sensor-value:a'],
  ['null for a value', '{"a":null,"ok":2}', 'ok=2 -bad-sensor-value:a'],
  ['an object for a value', '{"a":{"value":1},"ok":2}', 'ok=2 -bad-sensor-value:a'],
  ['a number too large for a double', '{"a":1e400,"ok":2}', 'ok=2 -bad-sensor-value:a'],
  [
    'an entry that is none',
    '{"sensors":[5,{"value":1},{"sensor_name":"ok","value":2}]}',
    'ok=2 -bad-sensor-entry:sensors -bad-sensor-entry:sensors',
  ],
  ['sensors that are no list', '{"sensors":{"a":1},"ok":2}', 'ok=2 -bad-sensor-entry:sensors'],
  [
    'a unit too long',
    `{"sensors":[{"sensor_name":"ok","value":2,"unit":"${'u'.repeat(21)}"}]}`,
    'ok=2 -bad-unit:ok',
  ],
  [
    'a latitude too far north',
    '{"ok":2,"location":{"latitude":90.1,"longitude":0}}',
    'ok=2 -bad-location:location',
  ],
  ['half a location', '{"ok":2,"location":{"latitude":9}}', 'ok=2 -bad-location:location'],
  ['a location in words', '{"ok":2,"location":"kitchen"}', 'ok=2 -bad-location:location'],
  ['a status in words', '{"ok":2,"status":"fine"}', 'ok=2'],

  ['nothing', '', 'bad-json'],
  ['an empty object', '{}', 'nothing-to-store'],
  ['only the envelope', '{"device_id":"d","timestamp":1}', 'nothing-to-store'],
  ['only bad sensors', '{"a":"x"}', 'nothing-to-store -bad-sensor-value:a'],
  ['an array', '[1,2]', 'not-an-object'],
  ['a number', '25.5', 'not-an-object'],
  ['null', 'null', 'not-an-object'],
  ['words', 'temperature=25.5', 'bad-json'],
  ['an object cut short', '{"temperature":25.5,"humidity":6', 'bad-json'],
  ['a string cut short', '{"temperature":25.5,"hum', 'bad-json'],
  ['quotes without end', `{"a":${'"\\'.repeat(20_000)}`, 'bad-json'],
  ['two objects', '{"a":1}{"b":2}', 'bad-json'],
  ['binary', Buffer.from([0xff, 0xfe, 0, 1, 2]), 'not-utf8'],
  ['Latin-1', Buffer.from('{"a":1,"unit":"°C"}', 'latin1'), 'not-utf8'],
  ['deep', `{"status":${'['.repeat(50)}${']'.repeat(50)}}`, 'too-deep'],
  ['very deep', '['.repeat(400_000), 'bad-json'],
  ['huge and broken', `{"a":${'x'.repeat(1_000_000)}`, 'bad-json'],
  ['too many sensors', tooMany, 'too-many-sensors'],
]

import { integer, text } from './option.js'

/** `fetch` takes no URL with a user name in it. */
const isWebhook = (url: string): boolean =>
  /^https?:/.test(url) && URL.canParse(url) && new URL(url).username + new URL(url).password === ''

/** The settings of alerts: a part of `options`. */
export const alertOptions = {
  ALERT_WINDOW_S: integer(60, 0, 3600, {
    description: 'The seconds within which what alerts look at is counted; `0`: no alerts',
    descriptionZh: '告警统计的时间窗（秒）；`0` 为不告警',
  }),
  ALERT_WEBHOOK_URL: text(undefined, {
    isSecret: true,
    accepts: isWebhook,
    expected: 'http://… or https://… without user name and password',
    description: 'Where alerts are posted as JSON, beside the log and the topics below `system/alerts`',
    descriptionZh: '除日志与 `system/alerts` 下的主题外，告警还以 JSON 格式 POST 到此地址',
  }),
  ALERT_FAILED_CONNECTIONS: integer(100, 0, 1_000_000, {
    description:
      'Alert above so many refused connections and logins and protocol errors in `ALERT_WINDOW_S`; `0` here and below: no such alert',
    descriptionZh: '时间窗内被拒绝的连接、登录及协议错误超过多少次时告警；此项及以下各项 `0` 为不告警',
  }),
  ALERT_MESSAGE_RATE: integer(5000, 0, 10_000_000, {
    description: 'above so many messages a second that clients publish, averaged over `ALERT_WINDOW_S`',
    descriptionZh: '时间窗内客户端平均每秒发布的消息超过多少条时告警',
  }),
  ALERT_CPU_PERCENT: integer(90, 0, 10_000, {
    description:
      'above so much CPU time of the process, in per cent of one core, for all of `ALERT_WINDOW_S`',
    descriptionZh: '进程的 CPU 占用（单核百分比）在整个时间窗内都超过多少时告警',
  }),
  ALERT_MEMORY_PERCENT: integer(85, 0, 100, {
    description: 'above so much memory of the process, in per cent of what it may take',
    descriptionZh: '进程占用的内存超过其可用内存的百分之多少时告警',
  }),
  ALERT_EVENT_LOOP_DELAY_MS: integer(500, 0, 60_000, {
    description: 'above so many ms for which the event loop is held up, three evaluations in a row',
    descriptionZh: '事件循环连续三次评估被阻塞超过多少毫秒时告警',
  }),
  ALERT_RECONNECTS: integer(10, 0, 1_000_000, {
    description: 'above so many connections of one client in `ALERT_WINDOW_S`',
    descriptionZh: '同一客户端在时间窗内连接超过多少次时告警',
  }),
  ALERT_TAKEOVERS: integer(5, 0, 1_000_000, {
    description:
      'above so many connections in `ALERT_WINDOW_S` that take over from another of the same client id',
    descriptionZh: '同一客户端标识在时间窗内互相顶替超过多少次时告警',
  }),
  ALERT_CLIENT_IDS: integer(100, 0, 10_000, {
    description: 'above so many client ids of one address in `ALERT_WINDOW_S`',
    descriptionZh: '同一地址在时间窗内使用的客户端标识超过多少个时告警',
  }),
  ALERT_REJECTED_MESSAGES: integer(10, 0, 1_000_000, {
    description: 'above so many messages of one device in `ALERT_WINDOW_S` that cannot be stored',
    descriptionZh: '同一设备在时间窗内无法存储的消息超过多少条时告警',
  }),
  ALERT_SILENT_S: integer(600, 0, 604_800, {
    description: 'above so many seconds of silence of a device that has no connection of its own',
    descriptionZh: '没有保持连接的设备静默超过多少秒时告警',
  }),
} as const

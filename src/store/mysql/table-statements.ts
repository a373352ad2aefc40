/**
 * How each table is created where it is absent. The first two are the platform's, column for column, so
 * that its backend can use a database that Damselfly made.
 */
export const tableStatements = {
  device_main: `CREATE TABLE IF NOT EXISTS device_main (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  uuid VARCHAR(36) NOT NULL UNIQUE,
  device_id VARCHAR(50) NOT NULL UNIQUE,
  product_id INT NULL,
  user_id INT NULL,
  school_id INT NULL,
  name VARCHAR(100) NOT NULL,
  description TEXT NULL,
  device_secret VARCHAR(255) NOT NULL,
  firmware_version VARCHAR(20) NULL,
  hardware_version VARCHAR(20) NULL,
  device_status VARCHAR(20) NOT NULL DEFAULT 'pending',
  is_online TINYINT(1) NOT NULL DEFAULT 0,
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  last_seen DATETIME NULL,
  last_report_data JSON NULL,
  product_code VARCHAR(50) NULL,
  product_version VARCHAR(20) NULL,
  last_product_report DATETIME NULL,
  product_switch_count INT NOT NULL DEFAULT 0,
  auto_created_product TINYINT(1) NOT NULL DEFAULT 0,
  ip_address VARCHAR(45) NULL,
  mac_address VARCHAR(17) NULL,
  location VARCHAR(200) NULL,
  group_name VARCHAR(100) NULL,
  room VARCHAR(50) NULL,
  floor VARCHAR(50) NULL,
  device_sensor_config JSON NULL,
  device_control_config JSON NULL,
  device_settings JSON NULL,
  production_date DATE NULL,
  serial_number VARCHAR(50) NULL,
  quality_grade VARCHAR(20) NULL,
  last_heartbeat DATETIME NULL,
  error_count INT NOT NULL DEFAULT 0,
  last_error TEXT NULL,
  uptime BIGINT NULL,
  installation_date DATE NULL,
  warranty_expiry DATE NULL,
  last_maintenance DATE NULL,
  next_maintenance DATE NULL,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci`,

  device_sensors: `CREATE TABLE IF NOT EXISTS device_sensors (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  device_uuid VARCHAR(36) NOT NULL,
  sensor_name VARCHAR(50) NOT NULL,
  sensor_value VARCHAR(255) NOT NULL,
  sensor_unit VARCHAR(20) DEFAULT '',
  sensor_type VARCHAR(50) DEFAULT '',
  timestamp DATETIME NOT NULL,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  UNIQUE KEY uk_device_sensor (device_uuid, sensor_name),
  KEY idx_device_uuid (device_uuid),
  KEY idx_timestamp (timestamp),
  KEY idx_sensor_name (sensor_name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci`,

  // The rows lie in the order in which they are read: one device's sensor over a range of time.
  device_sensor_history: `CREATE TABLE IF NOT EXISTS device_sensor_history (
  device_id INT NOT NULL,
  sensor_name VARCHAR(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  recorded_at DATETIME(3) NOT NULL,
  discriminator INT UNSIGNED NOT NULL,
  value DOUBLE NOT NULL,
  PRIMARY KEY (device_id, sensor_name, recorded_at, discriminator)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci`,

  // Empty but for the last seconds of a server that is busy: what the first two tables do not have yet.
  device_state_log: `CREATE TABLE IF NOT EXISTS device_state_log (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  written_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  changes MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci`,
} as const

# shellcheck shell=bash
# Runs the image's server, and talks to it as a device does; sourced by run.sh.

choose_ports() {
  read -r mqtt_port mqtts_port ws_port http_port < <(node --eval "
    const { createServer } = require('node:net')
    const servers = [0, 0, 0, 0].map(() => createServer().listen(0, '127.0.0.1'))
    Promise.all(servers.map((server) => new Promise((listening) => server.once('listening', listening)))).then(() => {
      console.log(servers.map((server) => server.address().port).join(' '))
      for (const server of servers) server.close()
    })")
}

make_volumes() {
  mkdir --parents "$work"/volumes/{data,config,certs}
  chown --recursive "$server_uid:$server_uid" "$work/volumes"
  # As compose has them: files that the image's user may read.
  mkdir --parents "$work/secrets" "$root_of_image/run/secrets"
  echo "$password" > "$work/secrets/mqtt_password"
  chmod 0644 "$work/secrets/mqtt_password"
  # mktemp made the folder private; the server passes through it to its volumes.
  chmod 0711 "$work"
}

# in_image_only COMMAND…: in the image as it is, as its own user.
in_image_only() {
  buildah_ run --isolation=chroot "$container" -- "$@"
}

# in_image [--env NAME=VALUE]… COMMAND…: in the image, as its user, with the settings, secrets and volumes of the
# test; its root is read-only but for the volumes, and there is no way to a privilege. As buildah has no read-only
# root, the mounts are made here, and end with the command.
in_image() {
  local environment=() image_environment
  while [[ $1 == --env ]]; do
    environment+=("$2")
    shift 2
  done
  mapfile -d '' -t image_environment < <(image_setting 'config.Env')
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount --propagation private bash -c '
    set -e
    root=$1 work=$2 user=$3
    shift 3
    mount --bind "$root" "$root"
    for name in data config certs; do mount --bind "$work/volumes/$name" "$root/$name"; done
    mount --bind "$work/secrets" "$root/run/secrets"
    mount --bind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --options remount,bind,ro "$root"
    exec setpriv --no-new-privs chroot --userspec="$user:$user" --groups= "$root" \
      env --ignore-environment --chdir=/app "$@"' \
    in_image "$root_of_image" "$work" "$server_uid" "${image_environment[@]}" \
    BIND_ADDRESS=127.0.0.1 MQTT_PORT="$mqtt_port" MQTTS_PORT="$mqtts_port" WS_PORT="$ws_port" HTTP_PORT="$http_port" \
    MQTT_USERNAME="$user" MQTT_PASSWORD_FILE=/run/secrets/mqtt_password "${environment[@]}" "$@"
}

root_is_read_only() {
  # shellcheck disable=SC2016 # expanded by the shell in the image
  in_image sh -c '
    for folder in / /app /app/dist /etc /tmp /var/tmp /usr/local/bin; do
      ! touch "$folder/probe" 2> /dev/null || { echo "$folder takes files"; exit 1; }
    done
    for folder in /data /config /certs; do touch "$folder/probe" && rm "$folder/probe" || exit 1; done
    grep -q "^NoNewPrivs:[[:space:]]*1" /proc/self/status && grep -q "^CapEff:[[:space:]]*0*$" /proc/self/status'
}

refuses_a_wrong_port() {
  local status=0
  in_image --env MQTT_PORT=70000 damselfly check || status=$?
  echo "exit code $status"
  ((status == 1))
}

start_server() {
  printf '\n'
  in_image --env DAMSELFLY_TEST_RUN="$run_id" "${start_command[@]}" >> "$work/server.log" 2>&1 &
  server_job=$!
}

# Prints the process id of the server itself. buildah does not pass signals on to what it runs, so the server
# is found by the variable that only it was started with.
server_pid() {
  local folder
  for folder in /proc/[0-9]*; do
    if [[ $(readlink "$folder/exe") == */usr/local/bin/node ]] &&
      grep --quiet --null-data --line-regexp --fixed-strings "DAMSELFLY_TEST_RUN=$run_id" "$folder/environ"; then
      echo "${folder#/proc/}"
      return 0
    fi
  done 2> /dev/null
  echo 'no server process' >&2
  return 1
}

is_ready() {
  local until=$((SECONDS + ready_within_s))
  while ((SECONDS < until)); do
    if ! kill -0 "$server_job" 2> /dev/null; then
      echo 'the server has ended'
      return 1
    fi
    if answers_ready; then return 0; fi
    sleep 0.2
  done
  echo "not ready within $ready_within_s s"
  return 1
}

answers_ready() {
  node --eval "
    fetch('http://127.0.0.1:$http_port/readyz', { signal: AbortSignal.timeout(2000) })
      .then((response) => process.exit(response.status === 200 ? 0 : 1), () => process.exit(1))"
}

# Sends SIGTERM to the server; server_exit is its exit code, or says that it had to be killed.
stop_server() {
  local pid until=$((SECONDS + stopped_within_s))
  server_exit='none, it was not running'
  if ! pid=$(server_pid); then
    kill_server
    return 0
  fi
  kill -TERM "$pid"
  while kill -0 "$server_job" 2> /dev/null && ((SECONDS < until)); do sleep 0.1; done
  if kill -0 "$server_job" 2> /dev/null; then
    server_exit='none, it had to be killed'
    kill_server
    return 0
  fi
  server_exit=0
  wait "$server_job" || server_exit=$?
  server_job=
}

ended_by_itself() {
  echo "exit code: $server_exit"
  [[ $server_exit == 0 ]]
}

kill_server() {
  local pid
  [[ -n $server_job ]] || return 0
  if pid=$(server_pid 2> /dev/null); then kill -KILL "$pid" || true; fi
  wait "$server_job" || true
  server_job=
}

runs_as_its_own_user() {
  local pid
  pid=$(server_pid) || return 1
  grep '^[UG]id:' "/proc/$pid/status"
  [[ $(awk '/^[UG]id:/ { $1 = ""; print }' "/proc/$pid/status" | tr --squeeze-repeats ' \n' '\n' | sort --unique | grep .) \
    == "$server_uid" ]]
}

health_check() {
  [[ ${health_command[0]} == node ]] && in_image "${health_command[@]}"
}

health_check_fails() {
  ! health_check
}

# ---- a device outside

# publish DEVICE TEMPERATURE [OPTION…]: QoS 1, so it ends with the acknowledgement.
publish() {
  timeout 15 mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -u "$user" -P "$password" -q 1 \
    -t "devices/$1/data" -m "{\"temperature\":$2}" "${@:3}"
}

publish_over_tls() {
  publish "$1" "$2" -h localhost -p "$mqtts_port" --cafile "$work/volumes/certs/ca.crt"
}

# as_admin PROGRAM OPTION…: mosquitto_pub or mosquitto_sub, with the login of the test.
as_admin() {
  timeout 30 "$1" -h 127.0.0.1 -p "$mqtt_port" -u "$user" -P "$password" "${@:2}"
}

# A session with a hundred messages in its queue, and a retained message.
leave_a_session() {
  as_admin mosquitto_sub -i away -c -q 1 -t queue -E || return 1
  seq 100 | as_admin mosquitto_pub -q 1 -t queue -l || return 1
  as_admin mosquitto_pub -q 1 -r -t kept -m retained
}

session_is_there() {
  as_admin mosquitto_sub -i away -c -q 1 -t queue -C 100 | diff - <(seq 100) || return 1
  [[ $(as_admin mosquitto_sub -t kept -C 1) == retained ]]
}

backs_up() {
  in_image damselfly backup /data/backup.tar.gz && tar --list --file "$work/volumes/data/backup.tar.gz" | grep state.db
}

wrong_password_is_refused() {
  local said
  if said=$(publish container-test 1.5 -P wrong 2>&1); then return 1; fi
  echo "$said"
  grep --quiet --ignore-case 'connection refused: \(not authori\|bad user\)' <<< "$said"
}

# device_shows DEVICE TEMPERATURE
device_shows() {
  local seen
  seen=$(in_image damselfly device show "$1") || return 1
  echo "$seen"
  grep --quiet --word-regexp --fixed-strings "$2" <<< "$seen"
}

checksums() {
  (cd "$work/volumes" && find config certs -type f -print0 | LC_ALL=C sort --zero-terminated | xargs --null sha256sum)
}

remember_files() {
  checksums > "$work/checksums"
}

files_are_the_same() {
  local name
  for name in config/passwd certs/ca.crt certs/server.crt certs/server.key; do
    grep --fixed-strings "  $name" "$work/checksums" || { echo "no $name"; return 1; }
  done
  checksums | diff "$work/checksums" -
}

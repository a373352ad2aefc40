#!/usr/bin/env bash
# Builds the Dockerfile and runs its image for real, without a container engine: buildah alone does both,
# on any Debian machine, as root. The image's base is made here too, from Debian's packages and this machine's
# Node, so that no image registry is needed.
#
# The server runs in the network of this machine, on free ports, with volumes in a temporary folder; all of it
# is gone at the end. Only Debian's part of the base stays, in ~/.cache/damselfly-test, for the next run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH="$PATH:/usr/sbin:/sbin"

readonly debian_suite=bookworm
readonly base_image=localhost/damselfly-test-base
readonly image=localhost/damselfly-test
readonly server_uid=10001
readonly ready_within_s=60
readonly stopped_within_s=10
readonly user=admin
readonly password="test-$RANDOM$RANDOM$RANDOM"
readonly run_id="$$-$RANDOM$RANDOM"
readonly cache="${XDG_CACHE_HOME:-$HOME/.cache}/damselfly-test"
work=$(mktemp --directory --tmpdir damselfly-container.XXXXXXXX)
readonly work

passed=0
failed=0
container=
server_job=

main() {
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  install_what_is_missing
  step 'base image' make_base_image
  step 'image' build_image
  check_image
  choose_ports
  make_volumes
  check 'check accepts the configuration' in_image damselfly check
  check 'check refuses a port out of range' refuses_a_wrong_port
  check 'its root is read-only but for the volumes, and there is no way to a privilege' root_is_read_only

  start_server
  check 'the server is ready' is_ready
  check 'it runs as its own user, not as root' runs_as_its_own_user
  check 'the health check passes' health_check
  check 'a wrong password is refused' wrong_password_is_refused
  check 'a reading is acknowledged over TCP' publish container-test 25.5
  check 'a reading is acknowledged over TLS, the certificate verified' publish_over_tls container-test-tls 26.5
  check 'the first reading is stored' device_shows container-test 25.5
  check 'the second reading is stored' device_shows container-test-tls 26.5
  check 'messages wait in a session, and one is retained' leave_a_session
  check 'a backup is made while it runs' backs_up
  remember_files
  stop_server
  check "SIGTERM ends it within $stopped_within_s s with exit code 0" ended_by_itself
  check 'the health check fails when nothing listens' health_check_fails

  start_server
  check 'it is ready again on the same volumes' is_ready
  check 'the first reading is still there' device_shows container-test 25.5
  check 'so is each message that waited, in order, and the retained one' session_is_there
  check 'certificates and passwords are the same' files_are_the_same
  check 'a further reading is acknowledged' publish container-test 27.5
  check 'and stored' device_shows container-test 27.5
  stop_server
  check "SIGTERM ends it within $stopped_within_s s with exit code 0, again" ended_by_itself
}

# ---- results

# check DESCRIPTION COMMAND…: counts whether the command succeeds; what it says is shown if it does not.
check() {
  local description=$1 output
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
    printf 'ok    %s\n' "$description"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s\n' "$description"
    printf '      %s\n' "${output//$'\n'/$'\n'      }"
  fi
}

# step DESCRIPTION COMMAND…: something without which nothing further can be tested.
step() {
  local description=$1 started=$SECONDS
  shift
  printf '\n== %s\n' "$description"
  "$@"
  printf '== %s: %s s\n\n' "$description" $((SECONDS - started))
}

# The exit trap: puts everything away, and has the last word.
finish() {
  local status=$?
  trap - EXIT INT TERM
  set +e
  if ((failed > 0)) && [[ -s $work/server.log ]]; then
    printf '\nThe server said:\n'
    tail --lines=60 "$work/server.log"
  fi
  kill_server
  [[ -d $work/storage ]] && buildah_ rm --all > /dev/null 2>&1
  # One file system: nothing outside is touched, should something still be mounted.
  rm --recursive --force --one-file-system "$work"
  if ((status != 0)); then
    failed=$((failed + 1))
    printf 'FAIL  the test itself ended with exit code %s\n' "$status"
  fi
  printf '\n%s passed, %s failed\n' "$passed" "$failed"
  ((failed == 0)) || exit 1
  exit 0
}

# ---- what has to be on the machine

install_what_is_missing() {
  local -A package_of=([buildah]=buildah [debootstrap]=debootstrap [mosquitto_pub]=mosquitto-clients)
  local command packages=()
  for command in "${!package_of[@]}"; do
    command -v "$command" > /dev/null || packages+=("${package_of[$command]}")
  done
  if ((EUID != 0)); then
    echo 'This test changes root and mounts volumes, so it has to run as root.'
    ((${#packages[@]} == 0)) || echo "It also needs: apt-get install ${packages[*]}"
    return 1
  fi
  ((${#packages[@]} > 0)) || return 0
  if ! command -v apt-get > /dev/null; then
    echo "Please install ${packages[*]} (the names of Debian's packages)."
    return 1
  fi
  echo "Installing ${packages[*]}"
  apt-get update --quiet=2
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends "${packages[@]}"
}

source test/container/image.sh
source test/container/server.sh
main "$@"

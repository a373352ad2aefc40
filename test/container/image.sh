# shellcheck shell=bash
# Makes the image's base, builds the Dockerfile on it, and looks into the result; sourced by run.sh.

# Storage of its own: images and containers of the machine are neither seen nor changed. The vfs driver
# works on every file system.
buildah_() {
  buildah --root "$work/storage" --runroot "$work/runroot" --storage-driver=vfs "$@"
}

make_base_image() {
  local debian scratch root
  debian="$cache/debian-$debian_suite-$(dpkg --print-architecture).tar"
  [[ -f $debian ]] || make_debian "$debian"
  scratch=$(buildah_ from scratch)
  root=$(buildah_ mount "$scratch")
  tar --extract --same-permissions --numeric-owner --file "$debian" --directory "$root"
  copy_node "$root"
  copy_npm_settings "$root"
  printf 'Node %s, npm %s\n' "$(run_in "$root" node --version)" "$(run_in "$root" npm --version)"
  buildah_ config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$scratch"
  [[ ! -e $root/usr/local/etc/ca.pem ]] ||
    buildah_ config --env NODE_EXTRA_CA_CERTS=/usr/local/etc/ca.pem "$scratch"
  buildah_ unmount "$scratch" > /dev/null
  buildah_ commit --quiet --format docker --rm "$scratch" "$base_image" > /dev/null
}

# run_in ROOT COMMAND…: with nothing of this machine's environment, which names files that are not there.
run_in() {
  env --ignore-environment PATH=/usr/local/bin:/usr/bin:/bin HOME=/root "$(command -v chroot)" "$@"
}

# make_debian TAR: a minimal Debian with the libraries that Node's binaries need.
make_debian() {
  local root=$work/debian
  echo "Making a minimal Debian (once; kept in $cache)"
  debootstrap --variant=minbase --include=libatomic1,libstdc++6 "$debian_suite" "$root" > "$work/debootstrap.log" 2>&1 || {
    tail --lines=20 "$work/debootstrap.log"
    return 1
  }
  mkdir --parents "$cache"
  # Without what slim images leave out as well.
  tar --create --numeric-owner --directory "$root" --file "$work/debian.tar" \
    --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/locale/*' \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' .
  # Moved into place whole, so that a run which was interrupted leaves no half of it.
  mv "$work/debian.tar" "$1.$run_id"
  mv "$1.$run_id" "$1"
  rm --recursive --force --one-file-system "$root"
}

# copy_node ROOT: this machine's Node and npm, where the official image has them.
copy_node() {
  local npm
  npm=$(dirname "$(dirname "$(readlink --canonicalize "$(command -v npm)")")")
  mkdir --parents "$1/usr/local/lib/node_modules"
  cp "$(node --print process.execPath)" "$1/usr/local/bin/node"
  cp --recursive "$npm" "$1/usr/local/lib/node_modules/npm"
  ln --symbolic ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"
}

# copy_npm_settings ROOT: the registry and the certificates by which this machine's npm gets its packages.
# Credentials are not copied.
copy_npm_settings() {
  local file
  mkdir --parents "$1/usr/local/etc"
  printf 'registry=%s\nupdate-notifier=false\n' "$(npm_setting registry)" > "$1/usr/local/etc/npmrc"
  for file in "$(npm_setting cafile)" "${NODE_EXTRA_CA_CERTS:-}"; do
    [[ ! -f $file ]] || cat "$file" >> "$1/usr/local/etc/ca.pem"
  done
}

npm_setting() {
  npm config get "$1" 2> /dev/null
}

build_image() {
  buildah_ build --pull-never --isolation=chroot --network=host --format docker \
    --build-arg NODE_IMAGE="$base_image" --tag "$image" .
  container=$(buildah_ from --pull-never "$image")
  # Where an image declares a volume and one is mounted too, buildah 1.28 takes now the one, now the other.
  buildah_ config --volume /data- --volume /config- --volume /certs- "$container"
  root_of_image=$(buildah_ mount "$container")
  printf 'Image size: %s, of which /app %s\n' "$(buildah_ images --format '{{.Size}}' "$image")" \
    "$(du --summarize --human-readable "$root_of_image/app" | cut --fields=1)"
}

# image_setting EXPRESSION: a part of the image's configuration, its strings each ended by a NUL.
image_setting() {
  buildah_ inspect --type image "$image" | node --eval "
    const { config } = JSON.parse(require('node:fs').readFileSync(0)).Docker
    process.stdout.write([$1].flat().map((part) => part + '\0').join(''))"
}

check_image() {
  mapfile -d '' -t start_command < <(image_setting '[config.Entrypoint, config.Cmd].flat()')
  mapfile -d '' -t health_command < <(image_setting 'config.Healthcheck.Test.slice(1)')
  check 'the image starts the server, in the exec form' test "${start_command[*]}" = 'node --max-semi-space-size=64 dist/main.js start'
  check 'it has its user, ports and volumes' image_settings_are_right
  check '/app holds dist, node_modules, package.json and LICENSE, nothing else' app_is_complete
  check 'the image holds no development dependency' holds_no_development_dependency
  check 'the image holds no history, tests or sources' holds_no_sources
  check 'its user may write the volumes, not the code' permissions_are_right
}

image_settings_are_right() {
  local seen
  seen=$(image_setting 'config.User, Object.keys(config.ExposedPorts).sort(), Object.keys(config.Volumes).sort()' |
    tr '\0' ' ')
  echo "$seen"
  [[ $seen == "$server_uid:$server_uid 1883/tcp 8080/tcp 8883/tcp 9001/tcp /certs /config /data " ]]
}

app_is_complete() {
  local seen
  seen=$(cd "$root_of_image/app" && find . -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort | tr '\n' ' ')
  echo "$seen"
  [[ $seen == 'LICENSE dist node_modules package.json ' ]]
}

holds_no_development_dependency() {
  local name found=0
  while read -r name; do
    if [[ -e $root_of_image/app/$name ]]; then
      echo "$name"
      found=1
    fi
  done < <(node --print "
    const { packages } = require('./package-lock.json')
    Object.keys(packages).filter((name) => packages[name].dev).join('\n')")
  ((found == 0)) && [[ ! -e $root_of_image/app/node_modules/typescript && -d $root_of_image/app/node_modules/aedes ]]
}

holds_no_sources() {
  ! find "$root_of_image" -xdev -name .git | grep . || return 1
  ! find "$root_of_image/app" -path '*/node_modules' -prune -o \
    \( -name test -o -name src -o -name '*.test.*' -o -name '*.ts' ! -name '*.d.ts' \) -print | grep .
}

permissions_are_right() {
  # shellcheck disable=SC2016 # expanded by the shell in the image
  in_image_only sh -c '
    for folder in /data /config /certs; do
      test "$(stat --format=%u:%a "$folder")" = "$(id -u):750" && test -w "$folder" || exit 1
    done
    ! test -w /app && ! test -w /app/dist && ! test -w /app/dist/main.js && ! test -w /usr/local/bin/damselfly'
}

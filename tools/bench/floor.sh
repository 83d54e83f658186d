#!/bin/bash
# The least that a deployment and a way back need, over one SSH connection: nothing is looked at, nothing is kept for later.
# usage: floor.sh deploy <version> | floor.sh rollback
# BENCH_HOST, BENCH_KEY, BENCH_KNOWN_HOSTS, BENCH_LOCAL_REPOSITORY, BENCH_BUILD: see contenders.py
set -euo pipefail

site=/srv/floor
sockets=$(mktemp -d)
on() {
  ssh -i "$BENCH_KEY" -o BatchMode=yes -o UserKnownHostsFile="$BENCH_KNOWN_HOSTS" \
    -o ControlMaster=auto -o ControlPersist=60 -o ControlPath="$sockets/%C" "ansible@$BENCH_HOST" "bash -eo pipefail -c $(printf %q "$1")"
}
trap 'ssh -o ControlPath="$sockets/%C" -O exit "ansible@$BENCH_HOST" 2>/dev/null; rm -r "$sockets"' EXIT

switch="sudo systemctl restart floor-web.service floor-worker.service"

key_of() { git --git-dir="$BENCH_LOCAL_REPOSITORY" rev-parse "$1"; }

build() { # version, key: the assets, on this machine
  local folder=$BENCH_BUILD/$2
  rm -rf "$folder"
  mkdir -p "$folder"
  git --git-dir="$BENCH_LOCAL_REPOSITORY" archive "$1" frontend | tar -x -C "$folder"
  npm ci --prefix "$folder/frontend" --no-fund --no-audit >/dev/null
  npm run build --prefix "$folder/frontend" >/dev/null
  tar -cz -C "$folder/frontend" dist
}

deploy() { # version
  local release lock frontend commit built
  release=$site/releases/$(date +%s%N)
  lock=$(key_of "$1:requirements.lock")
  frontend=$(key_of "$1:frontend")
  commit=$(key_of "$1^{commit}")
  built=$(on "[[ ! -d $site/shared/assets/$frontend ]] || echo built") # opens the connection as well
  git --git-dir="$BENCH_LOCAL_REPOSITORY" archive "$1" | on "
    mkdir $release
    tar -x -C $release
    cd $release
    printf '%s' '{\"version\": \"$1\", \"commit\": \"$commit\"}' >release.json
    echo RELEASE_ID=floor-${release##*/} >release.env
    venv=$site/shared/venvs/$lock
    if [[ ! -d \$venv ]]; then
      export UV_CACHE_DIR=$site/shared/uv SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
      uv venv --quiet --python /usr/bin/python3 \$venv
      uv pip sync --quiet --require-hashes --compile-bytecode --python=\$venv/bin/python requirements.lock
    fi
    ln -s \$venv venv" &
  if [[ ! $built ]]; then
    build "$1" "$frontend" >"$sockets/dist.tar.gz"
    on "mkdir -p $site/shared/assets/$frontend; tar -xz -C $site/shared/assets/$frontend" <"$sockets/dist.tar.gz"
  fi
  wait $!
  on "
    cd $release
    ln -s $site/shared/assets/$frontend/dist frontend/dist
    if ! diff -qr --exclude=__pycache__ $site/current/migrations migrations >/dev/null; then
      set -a
      . $site/shared/app.env
      . ./release.env
      venv/bin/alembic upgrade head 2>/dev/null
    fi
    readlink $site/current >$site/shared/previous || true
    ln -sfn $release $site/current
    $switch"
}

rollback() {
  on "ln -sfn \$(cat $site/shared/previous) $site/current; $switch"
}

"$@"

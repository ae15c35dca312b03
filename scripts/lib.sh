# Shared by the set-up scripts, which source it.
# shellcheck shell=bash

# The root of the checkout.
ISOLAB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Large files that outlive a checkout: a V8 build, cargo's target folder in CI.
ISOLAB_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/isolab
# Files that outlive a run but are not a cache: logs, and the key of cached artifacts.
ISOLAB_STATE=${XDG_STATE_HOME:-$HOME/.local/state}/isolab
export ISOLAB_ROOT ISOLAB_CACHE ISOLAB_STATE

# Prints one line of progress. The subject is the step of set-up.
say() { # subject message
    printf '%-7s %s\n' "$1" "$2"
}

fail() { # subject message
    printf '%-7s error: %s\n' "$1" "$2" >&2
    exit 1
}

# Ends with the exit code for bad input: something has to be installed, started or given first.
refuse() { # subject message
    printf '%-7s error: %s\n' "$1" "$2" >&2
    exit 2
}

has() { # command…
    local name
    for name in "$@"; do
        command -v "$name" > /dev/null || return 1
    done
}

can_install() {
    [[ $(id -u) == 0 ]] && has apt-get
}

# Installs Debian packages. Returns 1 and changes nothing without root or apt-get.
install_packages() { # subject package…
    local subject=$1 log; shift
    can_install || return 1
    say "$subject" "installing the packages $*"
    log=$(mktemp)
    if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"; } \
        > "$log" 2>&1 < /dev/null; then
        rm -f "$log"
        return 0
    fi
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
}

# Installs the npm packages of scripts/NAME/package-lock.json into the cache folder, and prints their folder on stdout.
# Returns 1 where node or npm is missing, or npm fails.
install_npm() { # name
    local source=$ISOLAB_ROOT/scripts/$1 folder partial
    folder=$ISOLAB_CACHE/$1/$(sha256sum "$source/package-lock.json" | cut -c 1-16)
    if [[ ! -d $folder/node_modules ]]; then
        has node npm || install_packages "$1" nodejs npm >&2 || return 1
        # npm fills a folder of its own first: an interrupted installation must not look like a whole one.
        partial=$folder.partial.$$
        if ! {
            mkdir -p "$partial" && cp "$source/package.json" "$source/package-lock.json" "$partial" &&
                npm ci --prefix "$partial" --ignore-scripts --no-audit --no-fund --loglevel error >&2 &&
                rm -rf "$folder" && mv "$partial" "$folder"
        }; then
            rm -rf "$partial"
            return 1
        fi
    fi
    printf '%s\n' "$folder"
}

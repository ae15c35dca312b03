# Checks of the Docker Engine, shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash

# Ends the script where no engine answers.
need_engine() { # subject
    has docker || refuse "$1" 'the command docker is missing. Install it (Debian: docker.io), then try again'
    docker info > /dev/null 2>&1 ||
        refuse "$1" 'no Docker Engine answers. Start one (scripts/setup-docker does), or name one with DOCKER_HOST'
}

# Ends the script where the engine cannot deploy a stack.
need_swarm() { # subject
    local state
    state=$(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}')
    case $state in
        'active true') ;;
        'active false') refuse "$1" 'this engine is a worker of its swarm. Run this on a manager of the swarm' ;;
        *) refuse "$1" 'this engine belongs to no swarm. Make it one with
        docker swarm init
        (several addresses: docker swarm init --advertise-addr ADDRESS), then try again' ;;
    esac
}

need_image() { # subject image
    docker image inspect "$2" > /dev/null 2>&1 || refuse "$1" "there is no image $2. Build it with: make image"
}

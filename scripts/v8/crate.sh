# Which library the crate `v8` of this workspace links; the set-up scripts source this file.
# shellcheck shell=bash

# Sets V8_VERSION, V8_FEATURES, V8_TARGET and V8_ARCHIVE, the name of the archive. Cargo knows the version and
# the features from the workspace's manifests. The name is built as in `static_lib_url` of the crate's build.rs.
read_v8_crate() {
    local tree suffix=
    tree=$(cd "$ISOLAB_ROOT" && cargo tree --quiet --workspace ${ISOLAB_FEATURES:+--features "isolab/$ISOLAB_FEATURES"} \
        --invert v8 --depth 0 --format '{p} {f}') ||
        fail v8 'cargo does not know which version of the crate v8 the workspace uses'
    read -r _ V8_VERSION V8_FEATURES <<< "${tree%%$'\n'*}"
    V8_VERSION=${V8_VERSION#v}
    V8_TARGET=$(cd "$ISOLAB_ROOT" && rustc --version --verbose | sed -n 's/^host: //p')
    [[ ,$V8_FEATURES, != *,v8_enable_pointer_compression,* ]] || suffix+=_ptrcomp
    [[ ,$V8_FEATURES, != *,v8_enable_sandbox,* ]] || suffix+=_sandbox
    [[ ,$V8_FEATURES, != *,simdutf,* ]] || suffix+=_simdutf
    # shellcheck disable=SC2034 # for whoever sources this
    V8_ARCHIVE=librusty_v8${suffix}_release_$V8_TARGET.a.gz
}

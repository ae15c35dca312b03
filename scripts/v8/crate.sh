# What the crate `v8` of this workspace wants to link; sourced, never run.
# shellcheck shell=bash

# Sets V8_VERSION, V8_FEATURES, V8_TARGET and V8_ARCHIVE, the archive's name, by asking cargo: the version
# stands in Cargo.lock and the features follow from deno_core, so neither is repeated here.
# The name is built as the crate's build.rs does, in `static_lib_url`.
read_v8_crate() {
    local tree suffix=
    tree=$(cd "$ISOLAB_ROOT" && cargo tree --quiet --workspace --invert v8 --depth 0 --format '{p} {f}') ||
        fail v8 'cargo cannot tell which version of the crate v8 the workspace uses'
    read -r _ V8_VERSION V8_FEATURES <<< "${tree%%$'\n'*}"
    V8_VERSION=${V8_VERSION#v}
    V8_TARGET=$(cd "$ISOLAB_ROOT" && rustc --version --verbose | sed -n 's/^host: //p')
    [[ ,$V8_FEATURES, != *,v8_enable_pointer_compression,* ]] || suffix+=_ptrcomp
    [[ ,$V8_FEATURES, != *,v8_enable_sandbox,* ]] || suffix+=_sandbox
    [[ ,$V8_FEATURES, != *,simdutf,* ]] || suffix+=_simdutf
    # shellcheck disable=SC2034 # for whoever sources this
    V8_ARCHIVE=librusty_v8${suffix}_release_$V8_TARGET.a.gz
}

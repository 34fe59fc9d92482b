#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the composite action (action.yml) runs. GLASSBOX, if set, is a program to use instead of building one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..

if [ -z "${GLASSBOX:-}" ]; then
    if [ "$(id -u)" -eq 0 ]; then "$root/.ci/setup"; else sudo "$root/.ci/setup"; fi
    make -s -C "$root" -j"$(nproc)" build/glassbox
    GLASSBOX=$root/build/glassbox
fi

read -r -a cases <<<"${GLASSBOX_CASES:?the input cases is empty}"
read -r -a more <<<"${GLASSBOX_ARGUMENTS:-}"
[ -z "${GLASSBOX_PROFILE:-}" ] || more+=(--profile "$GLASSBOX_PROFILE")

table=$(mktemp)
trap 'rm -f "$table"' EXIT
status=0
"$GLASSBOX" check "${cases[@]}" "${more[@]}" --junit "${GLASSBOX_JUNIT:-glassbox.xml}" --markdown "$table" || status=$?

[ -z "${GITHUB_OUTPUT:-}" ] || echo "status=$status" >>"$GITHUB_OUTPUT"
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || { echo "### glassbox check: exit status $status"; echo; cat "$table"; } >>"$GITHUB_STEP_SUMMARY"
exit "$status"

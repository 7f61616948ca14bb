#!/usr/bin/env bash
# Compares the routers of an inventory with their plans, and shows the result on the pull request: one comment, which the next run replaces.
# What it needs comes by the environment; see action.yml.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
readonly mark='<!-- rosknock fleet-diff -->'
readonly most=${MOST:-60000} # characters; GitHub takes 65536

event() { jq -r "$1 // empty" "${GITHUB_EVENT_PATH:-/dev/null}" 2>/dev/null || true; }

# A plan may name a command that fetches a secret: what strangers wrote is not run here.
from=$(event .pull_request.head.repo.full_name)
number=$(event .pull_request.number)
if [ -n "$number" ] && [ "$from" != "$GITHUB_REPOSITORY" ]; then
  echo "::notice::the pull request comes from ${from:-a repository that is gone}, whose plans are not run here"
  exit 0
fi

arguments=()
if [ -n "${PLAN:-}" ]; then arguments+=("$PLAN"); fi
while IFS= read -r file; do
  if [ -n "$file" ]; then arguments+=(--inventory "$file"); fi
done <<<"$INVENTORY"
if [ -n "${LIMIT:-}" ]; then arguments+=(--limit "$LIMIT"); fi
while IFS= read -r flag; do
  if [ -n "$flag" ]; then arguments+=("$flag"); fi
done <<<"${FLAGS:-}"

# What follows goes before the flags, the environment and the settings file: a comment shows no knock.
code=0
rosknock diff "${arguments[@]}" --exit-code --state-dir "$work/state" --output markdown --reveal=false --verbose=false \
  >"$work/table" || code=$?
echo "exit-code=$code" >>"${GITHUB_OUTPUT:-/dev/null}"

case $code in
0) verdict="No router would change." ;;
2) verdict="Routers would change as follows. Nothing was written." ;;
*) verdict="**rosknock diff ended with exit code $code**; the job's log says why." ;;
esac
{
  printf '%s\n### What the plans would change\n\n%s\n\n' "$mark" "$verdict"
  if [ "$(wc -m <"$work/table")" -gt "$most" ]; then
    # whole lines only, so that the table stays one
    awk -v most="$most" '{ n += length($0) + 1; if (n > most) exit; print }' "$work/table"
    printf '\nThe rest is too long for a comment.\n'
  else
    cat "$work/table"
  fi
} >"$work/body"
cat "$work/body" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"

if [ "${COMMENT:-true}" = true ] && [ -n "$number" ]; then
  comments=repos/$GITHUB_REPOSITORY/issues/$number/comments
  last=$(gh api --paginate "$comments" --jq ".[] | select(.body | startswith(\"$mark\")) | .id" | tail -n 1)
  if [ -n "$last" ]; then
    gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$last" --field "body=@$work/body"
  else
    gh api --silent --method POST "$comments" --field "body=@$work/body"
  fi
fi

if [ "$code" = 2 ] && [ "${FAIL_ON_DIFFERENCES:-false}" != true ]; then code=0; fi
exit "$code"

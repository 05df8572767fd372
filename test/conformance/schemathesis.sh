#!/bin/sh
# schemathesis against a running server: 200 examples for each operation of /openapi.json, valid and invalid ones. No answer
# may be a 5xx, have a status or content type that the document does not name, or differ from its schema.
#
#   pip install schemathesis
#   npm run -s plainformer -- serve --port 8000 --quiet
#   sh test/conformance/schemathesis.sh http://127.0.0.1:8000/beta
set -eu
url=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
HIDDEN_SIZE=$(curl -s "$url/models" | sed 's/.*"hidden_size":\([0-9]*\).*/\1/')
export HIDDEN_SIZE PYTHONPATH="$here" SCHEMATHESIS_HOOKS=schemathesis_hooks
exec schemathesis run "$url/openapi.json" --url "$url" --max-examples 200 --mode all --continue-on-failure \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
  --suppress-health-check all "$@"

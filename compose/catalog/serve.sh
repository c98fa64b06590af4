#!/usr/bin/env bash
# Starts Iceberg's own REST catalog server; what NAME_FILE names is read into NAME first, since Java reads variables only.
set -euo pipefail
for variable in "${!CATALOG_@}" "${!AWS_@}"; do
  if [[ $variable == *_FILE ]]; then
    export "${variable%_FILE}=$(<"${!variable}")"
    unset "$variable"
  fi
done
exec java -XX:MaxRAMPercentage=60 -cp "${CATALOG_JARS:-/opt/catalog/lib}/*" "${CATALOG_SERVER:-org.apache.iceberg.rest.RESTCatalogServer}"

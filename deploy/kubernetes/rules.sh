#!/bin/sh
# Prints the rules of deploy/prometheus/rules as PrometheusRules, which kustomize can't make of them:
#   sh deploy/kubernetes/rules.sh | kubectl apply -f -
set -eu
cd "$(dirname "$0")/../prometheus/rules"
for file in *.yml; do
    [ -e "$file" ] || { echo "no rules in $PWD" >&2; exit 1; }
    name=$(basename "$file" .yml | tr _ -)
    cat <<RULE
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: psi-field-$name
  namespace: psi-field
  labels:
    app.kubernetes.io/name: psi-field
spec:
RULE
    sed 's/^./  &/' "$file"
done

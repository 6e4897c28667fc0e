"""Reads YAML from stdin, checks every document against the schema that its publisher gives out, and
prints the documents as one JSON array.

  manifests.py kubernetes 1.34    JSON schemas of Kubernetes, in which unknown keys are errors
  manifests.py compose            the schema of the Compose Specification
"""

import importlib.metadata
import json
import sys

import jsonschema
import kubernetes_validate
import yaml

# What comes from the Prometheus operator is checked by its own schema, elsewhere.
FOREIGN = ("monitoring.coreos.com/",)


def check_kubernetes(document, version):
    if not document["apiVersion"].startswith(FOREIGN):
        kubernetes_validate.validate(document, version, strict=True)


def check_compose(document):
    # The schema is a file of this package, whose code is not used.
    files = importlib.metadata.files("docker-compose")
    schema = next(it for it in files if it.name == "compose_spec.json").locate()
    with open(schema, encoding="utf-8") as file:
        jsonschema.Draft7Validator(json.load(file)).validate(document)


def main():
    documents = [it for it in yaml.safe_load_all(sys.stdin) if it is not None]
    if not documents:
        sys.exit("no documents")
    for document in documents:
        try:
            if sys.argv[1] == "kubernetes":
                check_kubernetes(document, sys.argv[2])
            else:
                check_compose(document)
        except jsonschema.ValidationError as error:
            place = "/".join(str(it) for it in error.absolute_path)
            sys.exit(f"{document.get('kind', 'compose')} at {place}: {error.message}")
    json.dump(documents, sys.stdout)


main()

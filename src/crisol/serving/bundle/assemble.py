"""Assemble one Bento in its own process: ``python -m crisol.serving.bundle.assemble JOB.json``.

:mod:`crisol.serving.bundle.package` starts it inside the build context, with the copied ``crisol``
first on the path and a BentoML home of its own. So the copy proves that it is enough by itself, and
the process that bundles keeps its imports and its stores to itself.
"""

import json
import shutil
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import bentoml
import yaml

from crisol.core.backbones.packing import PACKED, pack
from crisol.core.predictor import backbones_of, read_manifest
from crisol.models import family
from crisol.serving.bundle.requirements import BASE, pinned
from crisol.serving.http.config import STATE_FOLDER
from crisol.serving.service.bento import FrontedService
from crisol.serving.service.model_service import ModelService


def assemble(job: dict[str, Any]) -> None:
    """Store the predictor as a BentoML model and build the Bento around it."""
    stamp: dict[str, str] = job["stamp"]
    short = {key: value for key, value in stamp.items() if len(value) <= 64}
    with bentoml.models.create(job["model_tag"], labels=short, metadata=stamp) as model:
        shutil.copytree(job["predictor_dir"], model.path, dirs_exist_ok=True)
        pack(backbones_of(read_manifest(job["predictor_dir"])), Path(model.path) / PACKED)

    # The service finds its model by the bundle's argument: set it before the import.
    from bentoml._internal.utils.args import set_arguments

    arguments = {"model": job["model_tag"]}
    set_arguments(arguments)
    context = Path(job["context"])
    predictor = family(job["family"]).Predictor
    module = import_module(f"crisol.serving.families.{job['family']}")
    service: ModelService = module.service
    bento = bentoml.build(
        service=_import_string(module),
        name=job["name"],
        version=job["version"],
        labels={**job["labels"], **short},
        description=job["description"],
        include=["crisol/**"],
        envs=job["envs"],
        docker={"python_version": "3.11", **_state_setup(service, context), **job["docker"]},
        python={
            "packages": pinned([*BASE, *predictor.packages(job["runtime"])]),
            "lock_packages": False,
        },
        models=[job["model_tag"]],
        build_ctx=job["context"],
        args=arguments,
    )
    # BentoML lists only its own endpoints; ours answer, so ours are described.
    with Path(bento.path_of("apis/openapi.yaml")).open("w", encoding="utf-8") as stream:
        document = service.document_with(job["predictor_dir"])
        yaml.safe_dump(document, stream, sort_keys=False)


def _state_setup(service: ModelService, context: Path) -> dict[str, str]:
    """In an image, the folder of a service that keeps a state, so that a volume on it is writable.

    A new named volume takes the owner of the folder it is mounted on; without one it is root's.
    """
    if not service.keeps_state:
        return {}
    script = context / "make_state_folder.sh"
    folder = f"/home/bentoml/{STATE_FOLDER}"
    script.write_text(f"#!/bin/sh\nexec install -d -o bentoml -g bentoml {folder}\n")
    script.chmod(0o755)
    return {"setup_script": script.name}


def _import_string(module: ModuleType) -> str:
    """``module:variable`` of the BentoML service that a family's module makes."""
    services = (value for value in vars(module).values() if isinstance(value, FrontedService))
    return next(services).import_string


if __name__ == "__main__":
    assemble(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))

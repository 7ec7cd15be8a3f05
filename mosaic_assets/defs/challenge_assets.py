"""The three challenges as assets: clouds, noise, compression, measured on a sample of the published crops."""

from io import BytesIO

import dagster as dg

from mosaic_assets.defs.library_assets import OWNERS
from mosaic_assets.defs.present import explained_failures, picture, table
from mosaic_assets.defs.resources import Workbench

GROUP = "smcefr_challenges"
PICTURE_WIDTH = 900
"""Of pictures in metadata, pixels."""
CROPS = dg.AssetKey("smcefr_crops")


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"parquet"}, code_version="1", deps=[CROPS])
def cloud_benchmark(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """Cloud masks by simple rules, scored against drawn clouds (synthetic scenes) or the bright flag, which is no truth."""
    return _published(context, workbench, "clouds")


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"parquet"}, code_version="1", deps=[CROPS])
def denoise_benchmark(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """Crops with noise, stripes and gaps made on purpose, mended by classical methods: PSNR, SSIM, MSE, seconds."""
    return _published(context, workbench, "noise")


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"parquet"}, code_version="1", deps=[CROPS])
def compression_benchmark(
    context: dg.AssetExecutionContext, workbench: dg.ResourceParam[Workbench]
) -> dg.MaterializeResult[None]:
    """Crops through lossless and lossy codecs: bits a pixel against PSNR and SSIM, encode and decode speed."""
    return _published(context, workbench, "compression")


def _published(context: dg.AssetExecutionContext, workbench: Workbench, challenge: str) -> dg.MaterializeResult[None]:
    from mosaic_assets.scenes.challenges.publish import publish_challenge
    from mosaic_assets.scenes.challenges.tables import described, notes, summary

    def log(done: int, total: int) -> None:
        if done % 25 == 0 or done == total:
            context.log.info("%d of %d measurements", done, total)

    with explained_failures(context):
        published = publish_challenge(workbench.settings, challenge, log)
    report = published.report
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(report.rows),
            "measured on": described(report.rows),
            "measured now": report.measured,
            "failed": len(report.failed),
            "results": table(summary(challenge, report.rows)),
            "notes": table(notes(report.rows)),
            "plot": picture(_small(published.plot), challenge),
            **({"examples": picture(_small(published.sheet), "examples")} if published.sheet else {}),
            "bytes": published.path.stat().st_size,
            "path": dg.MetadataValue.path(str(published.path)),
        }
    )


def _small(png: bytes) -> bytes:
    """Return a picture in fewer pixels and colours: Dagster keeps it in its event log."""
    from PIL import Image

    out = BytesIO()
    with Image.open(BytesIO(png)) as drawn:
        drawn.thumbnail((PICTURE_WIDTH, 2 * PICTURE_WIDTH))
        drawn.convert("RGB").quantize(128).save(out, "PNG", optimize=True)
    return out.getvalue()


CHALLENGE_ASSETS = [cloud_benchmark, denoise_benchmark, compression_benchmark]

challenge_benchmarks = dg.define_asset_job(
    "challenge_benchmarks",
    CHALLENGE_ASSETS,
    description="Measure the three challenges on a sample of the published crops.",
)

CHALLENGE_JOBS = [challenge_benchmarks]

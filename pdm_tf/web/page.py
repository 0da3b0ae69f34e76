"""The page itself: four tabs of Gradio around what the other files of this room do."""

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

from pdm_tf.errors import InputError
from pdm_tf.web.auditing import audited
from pdm_tf.web.canvas import for_canvas
from pdm_tf.web.comparing import as_table, compared
from pdm_tf.web.drawing import FILMED, Request, denoised, drawn
from pdm_tf.web.editing import EDITS_OF_PAGE, between, edits_of
from pdm_tf.web.films import as_html, encode_film
from pdm_tf.web.tried import Limits, Tried

TITLE = "pdm_tf"
STRENGTH = (
    "strength, from 0, the picture, to 1, drawn freely (sdedit, variations, directions)"
)
AUDIT = (
    "Upload pictures of a data set: each is noised and denoised by the model, and what "
    "is rare for it comes back the worst. The rarest come first: a class or a style of "
    "few, or a picture that does not belong there."
)
HOW = (
    "Draw a picture with a seed or upload one. *inpaint* paints anew where your "
    "strokes lie; *sdedit* takes strokes as part of the picture; *variations* are "
    "pictures near it; *directions* moves it along what changes it most, under your "
    "strokes if there are any, a row for each; *film* leads from it to the picture of "
    "the seed."
)
BY_CIRCUIT = (
    " *tiramisu* inpaints with a circuit, which says what the hidden pixels may be; it "
    "takes four times as long."
)


def build_page(models: Sequence[Tried], limits: Limits) -> Any:
    """The page, a `gradio.Blocks` that is not served yet.

    Args:
      models: the first is drawn and edited with; all are compared.
      limits: what a visitor may ask for.
    """
    import gradio as gr

    first = models[0]
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {first.name}\n{first.about}")
        with gr.Tab("sample"):
            _add_sampling(gr, first, limits)
        with gr.Tab("edit"):
            _add_editing(gr, first, limits)
        with gr.Tab("compare"):
            _add_comparing(gr, models, limits)
        with gr.Tab("audit"):
            _add_auditing(gr, first, limits)
    return page


def _friendly(gr: Any, work: Callable) -> Callable:
    """Bad input is said on the page as it is on a command line: one line, no trace."""

    @wraps(work)
    def said(*given: Any) -> Iterator[Any]:
        try:
            yield from work(*given)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return said


def _settings(gr: Any, model: Tried, limits: Limits, count: int) -> list[Any]:
    """The fields of a `Request`, in its order."""
    sampler, steps = model.usual
    with gr.Row():
        chosen = gr.Dropdown(
            model.names,
            value=next(iter(model.names), None),
            label="class",
            visible=bool(model.names),
        )
        number = gr.Slider(
            1, limits.pictures, min(count, limits.pictures), step=1, label="pictures"
        )
        seed = gr.Number(0, precision=0, label="seed of the first")
    with gr.Row():
        taken = gr.Slider(
            1, limits.steps, min(steps, limits.steps), step=1, label="steps"
        )
        named = gr.Dropdown(
            list(model.generator.samplers), value=sampler, label="sampler"
        )
        guidance = gr.Slider(
            1,
            5,
            model.generator.guidance,
            step=0.1,
            label="guidance",
            visible=bool(model.names),
        )
    return [chosen, number, seed, taken, named, guidance]


def _picture(gr: Any, name: str) -> Any:
    return gr.Image(
        label=name, format="png", interactive=False, elem_id=name, buttons=["download"]
    )


def _add_sampling(gr: Any, model: Tried, limits: Limits) -> None:
    fields = _settings(gr, model, limits, 16)
    with gr.Row():
        draw = gr.Button("draw", variant="primary", elem_id="draw")
        film = gr.Button(f"film of the denoising ({FILMED} at most)", elem_id="film")
    said = gr.Markdown(elem_id="said")
    with gr.Row():
        sheet, shown = _picture(gr, "pictures"), gr.HTML(elem_id="denoising")

    def on_draw(*given: Any) -> Iterator[Any]:
        for made in drawn(model, Request(*given), limits):
            yield _shown(made.sheet), made.said

    def on_film(*given: Any) -> Iterator[Any]:
        frames = denoised(model, Request(*given), limits)
        yield as_html(encode_film(frames), "estimates of the pictures, step by step")

    draw.click(_friendly(gr, on_draw), fields, [sheet, said], api_name="draw")
    film.click(_friendly(gr, on_film), fields, shown, api_name="film")


def _add_editing(gr: Any, model: Tried, limits: Limits) -> None:
    gr.Markdown(HOW + BY_CIRCUIT * bool(model.circuit))
    fields = _settings(gr, model, limits, 4)
    with gr.Row():
        strength = gr.Slider(0, 1, 0.5, step=0.05, label=STRENGTH)
        begin = gr.Button("draw a picture with the seed", elem_id="begin")
    with gr.Row():
        canvas = gr.ImageEditor(
            label="canvas",
            sources=["upload", "clipboard"],
            transforms=(),
            layers=False,
            canvas_size=(384, 384),
            brush=gr.Brush(
                default_size=24, colors=["#ffffff", "#000000", "#808080", "#d03030"]
            ),
            elem_id="canvas",
        )
        with gr.Column():
            made, film = _picture(gr, "edited"), gr.HTML(elem_id="between")
    with gr.Row():
        buttons = {name: gr.Button(name, elem_id=name) for name in edits_of(model)}
        lead = gr.Button("film", elem_id="lead")

    def on_begin(*given: Any) -> Iterator[Any]:
        request = Request(given[0], 1, *given[2:])
        _, steps, seeds = request.check(model, limits)
        how = steps, float(request.guidance), request.sampler
        labels = model.labels(request.chosen, 1)
        yield for_canvas(model.generator.generate(seeds, labels, *how)[0])

    def on_lead(drawing: Any, _: float, *given: Any) -> Iterator[Any]:
        frames = between(model, drawing, Request(*given), limits)
        yield as_html(encode_film(frames, there_and_back=True), "from one to the other")

    def editing(name: str) -> Callable:
        def on_edit(drawing: Any, strong: float, *given: Any) -> Iterator[Any]:
            request = Request(*given)
            yield _shown(EDITS_OF_PAGE[name](model, drawing, request, limits, strong))

        return _friendly(gr, on_edit)

    begin.click(_friendly(gr, on_begin), fields, canvas, api_name="begin")
    inputs = [canvas, strength, *fields]
    for name, button in buttons.items():
        button.click(editing(name), inputs, made, api_name=name)
    lead.click(_friendly(gr, on_lead), inputs, film, api_name="between")


def _add_comparing(gr: Any, models: Sequence[Tried], limits: Limits) -> None:
    if len(models) == 1:
        gr.Markdown(
            "Nothing to compare yet: start the page with another model in `beside`, "
            "such as one that was derived from this."
        )
        return
    fields = _settings(gr, models[0], limits, 8)
    start = gr.Button("compare", variant="primary", elem_id="compare")
    table = gr.Markdown(elem_id="table")
    sheets = [_picture(gr, model.name) for model in models]

    def on_compare(*given: Any) -> Iterator[Any]:
        request = Request(*given)
        for rows in compared(models, request, limits):
            missing = [None] * (len(models) - len(rows))
            shown = [_shown(row.sheet) for row in rows]
            yield (as_table(rows, int(request.count)), *shown, *missing)

    start.click(_friendly(gr, on_compare), fields, [table, *sheets], api_name="compare")


def _add_auditing(gr: Any, model: Tried, limits: Limits) -> None:
    gr.Markdown(f"{AUDIT} Up to {limits.pictures} pictures at once.")
    files = gr.File(
        label="pictures", file_count="multiple", type="filepath", elem_id="uploads"
    )
    start = gr.Button("audit", variant="primary", elem_id="audit")
    with gr.Row():
        sheet, table = _picture(gr, "rarest"), gr.Markdown(elem_id="scores")

    def on_audit(given: Any) -> Iterator[Any]:
        made, scores = audited(model, given, limits)
        yield _shown(made), scores

    start.click(_friendly(gr, on_audit), files, [sheet, table], api_name="audit")


def _shown(sheet: Any) -> Any:
    """A sheet as Gradio takes it: grey ones without their channel."""
    return sheet[..., 0] if sheet.shape[2] == 1 else sheet

"""The run configuration: one YAML file that says everything about a run."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer

from selfalign.evaluation.evaluate_settings import EvaluationSettings
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.layout.chat_template import ChatTemplate
from selfalign.layout.contract import LayoutChoice
from selfalign.model_server.server_options import ModelServerOptions
from selfalign.pipeline.run.prompts_settings import PromptsSettings, TopicsSettings
from selfalign.principle_engine.align_settings import PrincipleEngineSettings
from selfalign.prompt_synthesizer.synthesizer_settings import PromptSynthesizerSettings
from selfalign.refiner.refine_settings import RefinerSettings
from selfalign.settings.section import Address, HttpUrl, PositiveInt, Section, Seed, Share
from selfalign.settings.tls import ClientTls
from selfalign.training_settings.end_of_turn import EndOfTurn
from selfalign.training_settings.run_section import TrainingSection
from selfalign.weights.source import Weights, parse_weights

Profile = Literal["paper", "small"]
ExecutorKind = Literal["local", "kubernetes"]


class ModelSettings(Section):
    """The base model that is to be aligned."""

    base: Address
    """A folder with config.json, tokenizer and safetensors, here or in a bucket
    (s3://bucket/prefix), or the id that the engine serves."""

    @property
    def weights(self) -> Weights:
        """`base` as a value. Raises ConfigError, ModelError; see parse_weights."""
        return parse_weights(self.base, "model.base")


class RowsSettings(Section):
    """How `align` and `refine` cut their inputs into parts, and how many rows may fail."""

    rows_per_unit: PositiveInt = 512
    """Prompts of one unit of work, which becomes one part."""
    max_failed_share: Share = 0.0
    """Share of rows that may stay failed when a stage closes; of `topics` and `prompts` in each
    unit, and without those that fail alike however often they are tried."""
    retry_rounds: Annotated[int, Field(ge=0)] = 1
    """Passes over failed rows within one run; the next run tries them again in any case."""


class KubernetesSettings(ClientTls):
    """How a run uses a release of the chart; over TLS where its services are (for their health)."""

    release: Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")] = "selfalign"
    """The release's full name: what its objects' names begin with."""
    namespace: str | None = None
    """The runner pod's own, or the kubeconfig context's, by default."""
    context: str | None = None
    """Context of the kubeconfig; outside a cluster only."""
    keep_engines: bool = False
    """Whether engines keep their GPUs while others serve or train. False lets one node do it all,
    one after another."""
    external_engines: dict[Literal["base", "engraved"], HttpUrl] = Field(default_factory=dict)
    """Addresses of engines that are not the release's: they are neither scaled nor waited for, and
    whoever runs them sees to their weights."""
    training_nodes: PositiveInt = 1
    """Pods of the training Job; ranks in each pod are set by the chart."""
    scheduling_timeout_s: Annotated[float, Field(gt=0)] = 1800.0
    """How long a pod may wait for a node or for quota."""
    trouble_timeout_s: Annotated[float, Field(gt=0)] = 300.0
    """How long a pod may fail to start for a missing image, secret, volume and the like."""
    stage_timeout_s: Annotated[float, Field(gt=0)] | None = None
    """Limit of one Job, from its creation; none by default."""


class ExecutorSettings(Section):
    """Where the work runs. Operational: may differ each time that a run is resumed."""

    kind: ExecutorKind = "local"
    """Processes on this machine, or Jobs in a cluster."""
    workers: PositiveInt = 1
    """Processes or pods that share the units of a stage."""
    training_processes: PositiveInt = 1
    """Ranks of torchrun on this machine (kind local)."""
    work_dir: Path = Path("runs/.work")
    """Logs, sockets, training checkpoints and downloaded weights of local processes."""
    startup_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    """How long an engine or service may take from its start until it answers."""
    model_server: ModelServerOptions = ModelServerOptions()
    """Further options of the local model-server, e.g. slots: 32."""
    kubernetes: KubernetesSettings = KubernetesSettings()

    @field_serializer("model_server")
    def _only_what_was_set(self, options: ModelServerOptions) -> dict[str, Any]:
        """Its defaults are the server's own, and not the run's."""
        return options.model_dump(exclude_unset=True)


class RunConfig(Section):
    """Everything about a run."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    """Folder of the run in the store, and label of its Jobs."""
    store: Address
    """A folder, or s3://bucket/prefix."""
    profile: Profile = "paper"
    """Whose defaults fill what the file leaves out: profiles/<name>.yaml."""
    seed: Seed = 42
    """All seeds of sampling, selection and training follow from it."""
    model: ModelSettings
    layout: LayoutChoice = "auto"
    """How the student is trained and asked: in the base model's own chat template, or under the
    published headers. auto: the template where the model has one; a run that is there keeps what
    it began with."""
    chat_template: ChatTemplate | None = None
    """The base model's chat template. Found beside the model when the run starts, and kept with
    the run; give it where the runner cannot look into the model's folder."""
    constitution: Path | None = None
    """Your own constitution; the built-in one by default."""
    task_seeds: Path | None = None
    """JSON lines of seed tasks for self-instruct; 175 are built in."""
    topic_seeds: Path | None = None
    """JSON lines of question types with topics; 20 types are built in."""
    engine: EngineSettings = EngineSettings()
    """The engine of the base model. Without a url the executor starts a model-server."""
    synthesizer: PromptSynthesizerSettings = PromptSynthesizerSettings()
    topics: TopicsSettings = TopicsSettings()
    prompts: PromptsSettings = PromptsSettings()
    rows: RowsSettings = RowsSettings()
    align: PrincipleEngineSettings = PrincipleEngineSettings()
    end_of_turn: EndOfTurn = "token"
    """What ends a complete answer in the trainings of stages 3 and 4. token: the model's own end of
    turn, so that an answer ends by itself in any engine. marker: the header of the user's next turn
    and no token, as published; whoever asks the model then has to stop it there."""
    engrave: TrainingSection = TrainingSection()
    """Hyper-parameters of stage 3; base model, data, layout and output are filled in by the
    pipeline."""
    refine: RefinerSettings = RefinerSettings()
    distill: TrainingSection = TrainingSection()
    """Hyper-parameters of stage 4."""
    evaluate: EvaluationSettings = EvaluationSettings()
    executor: ExecutorSettings = ExecutorSettings()

    @property
    def wanted_prompts(self) -> int:
        """Accepted prompts that stage `prompts` must end with, the held-out ones included."""
        return self.prompts.count + self.evaluate.held_out

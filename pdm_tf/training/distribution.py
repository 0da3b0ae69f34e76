"""Where replicas live. One device needs no strategy of its own."""

import json
import os

import tensorflow as tf

from pdm_tf.errors import SettingError

_PATIENCE = 60  # seconds without a sign of life after which a worker counts as lost
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


def choose_strategy(
    name: str = "default", devices: str = "", tpu: str = "local"
) -> tf.distribute.Strategy:
    """The strategy to train under; call it before anything else of TensorFlow.

    Args:
      name: default, mirrored, multi_worker or tpu.
      devices: for mirrored, names separated by commas; empty: all GPUs.
      tpu: name of the TPU, or local.

    Raises:
      SettingError: devices that are not there, or other workers that are not named.
    """
    if devices and name != "mirrored":
        raise SettingError(
            "devices",
            devices,
            "is for `strategy=mirrored` alone; leave it out or give that",
        )
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(_named_devices(devices))
    if name == "multi_worker":
        return _multi_worker()
    if name == "tpu":
        return _tpu(tpu)
    return tf.distribute.get_strategy()


def _named_devices(devices: str) -> list[str]:
    """Devices by name; more CPUs than one are logical ones, made here."""
    names = [part.strip().upper() for part in devices.split(",") if part.strip()]
    if not names:
        count = len(tf.config.list_physical_devices("GPU"))
        names = [f"GPU:{i}" for i in range(count)]
    if not names:
        raise SettingError(
            "strategy",
            "mirrored",
            "this machine has no GPU; name the devices, as `devices=CPU:0,CPU:1`, or "
            "leave `strategy` out",
        )
    cpus = [name for name in names if name.startswith("CPU:")]
    if len(cpus) > 1:
        _make_cpus(devices, len(cpus))
    known = {
        f"{device.device_type}:{device.name.rpartition(':')[2]}"
        for device in tf.config.list_logical_devices()
    }
    wrong = [name for name in names if name not in known]
    if wrong or len(set(names)) < len(names):
        raise SettingError(
            "devices",
            devices,
            f"{wrong[0] if wrong else 'one is named twice'}; give some of "
            f"{', '.join(sorted(known))}",
        )
    return names


def _make_cpus(devices: str, count: int) -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    made = tf.config.get_logical_device_configuration(cpu) or []
    if len(made) >= count:
        return
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError:
        raise SettingError(
            "devices",
            devices,
            "TensorFlow already runs on fewer devices in this process; start a new one",
        ) from None


def _multi_worker() -> tf.distribute.Strategy:
    try:
        given = json.loads(os.environ.get("TF_CONFIG", ""))
        workers, task = given["cluster"]["worker"], given["task"]
        if task["type"] != "worker" or not 0 <= int(task["index"]) < len(workers):
            raise ValueError("no such worker")
    except (ValueError, KeyError, TypeError) as error:
        raise SettingError(
            "strategy",
            "multi_worker",
            f"TF_CONFIG in the environment is not the list of workers ({error!r}); set "
            f"it on each, as {_EXAMPLE}",
        ) from None
    _be_patient(workers)
    kinds = tf.distribute.experimental.CommunicationImplementation
    gpus = tf.config.list_physical_devices("GPU")
    return tf.distribute.MultiWorkerMirroredStrategy(
        communication_options=tf.distribute.experimental.CommunicationOptions(
            implementation=kinds.AUTO if gpus else kinds.RING
        )
    )


def _be_patient(workers: list[str]) -> None:
    """Lets workers be silent for longer than TensorFlow's ten seconds.

    A machine busy with other work keeps a healthy one waiting that long. One that is
    killed is noticed at once all the same, by its closed connections. There is no
    public way: strategies leave alone what is configured before them.
    """
    from tensorflow.python.eager.context import context

    if context().coordination_service is None:
        context().configure_coordination_service(
            service_type="standalone",
            service_leader="/job:worker/replica:0/task:0",
            heartbeat_timeout_in_ms=1000 * _PATIENCE,
        )
        jobs = context().coordination_service.coordinated_job_list
        jobs.add(name="worker", num_tasks=len(workers))


def _tpu(name: str) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        tf.config.experimental_connect_to_cluster(resolver)  # nothing to do for local
        tf.tpu.experimental.initialize_tpu_system(resolver)
    # An OSError where a name is looked up and no network is there.
    except (ValueError, RuntimeError, OSError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:150]
        raise SettingError(
            "tpu",
            name,
            f"no such TPU can be reached ({reason}); install tensorflow-tpu on its own "
            "machine and give `tpu=local`, or its name",
        ) from None
    return tf.distribute.TPUStrategy(resolver)

"""A Kafka broker of one node (KRaft) on this machine, out of Maven Central.

Its jars are fetched once into a cache folder; the data folder keeps its ports, so that clients find it again after a
restart.
"""

import json
import shutil
import subprocess
from pathlib import Path

from moocflix.platform.files import write_whole
from moocflix.platform.local_servers.child import LocalServerError, ServerChild, can_listen, free_ports, listens
from moocflix.platform.process import FileLock, LockTaken

_POM = Path(__file__).with_name("kafka-pom.xml")
_VERSION = "4.3.1"
_CACHE = Path("~/.cache/moocflix").expanduser()
_FETCH_SECONDS, _START_SECONDS = 300, 60

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
num.partitions=3
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""

_LOGGING = """
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1}: %m%n
"""

_JVM = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")


class KafkaServer:
    """One broker on one data folder."""

    def __init__(self, data: Path, *, host: str = "127.0.0.1", cache: Path = _CACHE) -> None:
        """Nothing happens before `start`; it listens at `host` alone."""
        self._host = host
        self._data = data.expanduser().absolute()
        self._libs = cache / f"kafka-{_VERSION}" / "libs"
        self._child = ServerChild("Kafka", self._data / "kafka.log")
        self.port = 0
        """Known once it is set up."""

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        return f"{self._host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The pid while it runs."""
        return self._child.pid

    def start(self) -> None:
        """Fetch, set up and start it; returns once it answers. Raises LocalServerError."""
        self._child.start(self.command(), answers=lambda: listens(self.port, self._host), seconds=_START_SECONDS)

    def command(self) -> list[str]:
        """What runs it, fetched and set up, for who looks after the process. Raises LocalServerError."""
        java = _program("java", "a Java runtime (17 or newer; on Debian: apt-get install openjdk-17-jre-headless)")
        self._data.mkdir(parents=True, exist_ok=True)
        self.fetch()
        properties = self._configure()
        classes = f"{self._libs}/*"
        self._format(java, classes, properties)
        logging = f"-Dlog4j2.configurationFile={self._data / 'log4j2.properties'}"
        return [java, *_JVM, logging, "-cp", classes, "kafka.Kafka", str(properties)]

    def fetch(self) -> None:
        """Have the jars in the cache, which takes a minute the first time; several processes may want them at once.

        Raises LocalServerError.
        """
        done = self._libs.parent / "complete"
        if done.exists():
            return
        maven = _program("mvn", "Maven to fetch Kafka with (on Debian: apt-get install maven)")
        self._libs.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(self._libs.parent / "lock")
        except LockTaken:
            raise LocalServerError("Another process is fetching Kafka; try again when it is done.") from None
        try:
            command = [maven, "-B", "-q", "-f", str(_POM), "dependency:copy-dependencies"]
            command += ["-DincludeScope=runtime", f"-DoutputDirectory={self._libs}"]
            fetched = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
            if fetched.returncode != 0:
                raise LocalServerError(f"Maven could not fetch Kafka {_VERSION}: {fetched.stdout.strip()[-300:]}")
            done.touch()
        finally:
            lock.release()

    def stop(self) -> None:
        """End it in an orderly way."""
        self._child.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._child.kill()

    def _configure(self) -> Path:
        numbers = self._choose_ports()
        self.port = numbers["port"]
        (self._data / "log4j2.properties").write_text(_LOGGING)
        properties = self._data / "server.properties"
        properties.write_text(_PROPERTIES.format(host=self._host, data=self._data / "log", **numbers))
        return properties

    def _choose_ports(self) -> dict[str, int]:
        """Those of the start before. Where another has the clients' meanwhile it is a new one, which they are told."""
        file = self._data / "ports.json"
        port, controller = self._kept_ports(file) if self._is_set_up() else free_ports(2)
        if not can_listen(controller, self._host):
            raise LocalServerError(
                f"Port {controller} of {self._host} is taken, and Kafka's data have it as their controller's (see "
                f"{file}): end what listens there."
            )
        if not can_listen(port, self._host):
            port = next(other for other in free_ports(2) if other != controller)
        numbers = {"port": port, "controller": controller}
        write_whole(file, json.dumps(numbers))
        return numbers

    def _kept_ports(self, file: Path) -> list[int]:
        try:
            kept = json.loads(file.read_text())
            return [int(kept["port"]), int(kept["controller"])]
        except (OSError, ValueError, KeyError, TypeError):
            raise LocalServerError(
                f"{file} cannot be read, and Kafka's data need the ports in it. server.properties beside it has them "
                'too: write {"port": …, "controller": …}.'
            ) from None

    def _is_set_up(self) -> bool:
        """Whether there are data: the controller's port is part of them."""
        return (self._data / "log" / "meta.properties").exists()

    def _format(self, java: str, classes: str, properties: Path) -> None:
        if self._is_set_up():
            return
        tool = [java, "-cp", classes, "kafka.tools.StorageTool"]
        name = subprocess.run([*tool, "random-uuid"], capture_output=True, text=True, check=True).stdout.strip()
        command = [*tool, "format", "--standalone", "--ignore-formatted", "-t", name, "-c", str(properties)]
        formatted = subprocess.run(command, capture_output=True, text=True, check=False)
        if formatted.returncode != 0:
            raise LocalServerError(f"Kafka's data folder could not be set up: {formatted.stderr.strip()[-300:]}")


def _program(name: str, what: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise LocalServerError(f"Kafka needs {what}; there is no program {name!r} on the PATH.")
    return path

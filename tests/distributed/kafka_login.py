"""A Kafka that also listens by TLS, and by TLS for those who log in, as one that others look after does."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from moocflix.platform.local_servers.child import free_ports
from moocflix.platform.local_servers.kafka import KafkaServer

_LISTENERS = """
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},\
TLS://127.0.0.1:{tls},LOGIN://127.0.0.1:{login}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},TLS://127.0.0.1:{tls},LOGIN://127.0.0.1:{login}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,TLS:SSL,LOGIN:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={pem}
sasl.enabled.mechanisms=PLAIN
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{user}="{password}";
"""


class KafkaWithLogin(KafkaServer):
    """`ca_file` has whom a client must trust; `user` and `password` are let in."""

    user = "moocflix"
    password = "of this test's server alone"  # pragma: allowlist secret

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self._tls_port, self._login_port = free_ports(2)
        self.ca_file = data / "ca.pem"

    @property
    def tls_servers(self) -> str:
        """Where anybody connects, by TLS."""
        return f"127.0.0.1:{self._tls_port}"

    @property
    def login_servers(self) -> str:
        """Where one has to log in, by TLS."""
        return f"127.0.0.1:{self._login_port}"

    def _configure(self) -> Path:
        properties = super()._configure()
        pem = self._data / "server.pem"
        if not pem.exists():
            certify(self.ca_file, pem)
        controller = properties.read_text().partition("CONTROLLER://127.0.0.1:")[2].split()[0]
        # Of what is said twice the last counts.
        with properties.open("a") as file:
            file.write(
                _LISTENERS.format(
                    port=self.port, controller=controller, tls=self._tls_port, login=self._login_port, pem=pem,
                    user=self.user, password=self.password,
                )
            )  # fmt: skip
        return properties


def certify(ca_file: Path, pem: Path) -> None:
    """Write an authority's certificate, and a server's key with the certificate that it has from there."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer, subject = _name("An authority of a test"), _name("127.0.0.1")
    itself = _certificate(issuer, issuer, authority).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    here = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    server = _certificate(issuer, subject, key).add_extension(here, critical=False)
    ca_file.write_bytes(itself.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + server.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )

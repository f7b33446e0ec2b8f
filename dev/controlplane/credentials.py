"""What identifies clients to the apiserver: the admin's token, the service accounts' key, kubeconfigs.

Facts: the apiserver writes the authority of its own certificate beside it, at its first start.
"""

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Credentials"]

# RFC 5915: the DER of a P-256 key is fixed but for its 32 bytes; the public half is optional.
DER_HEAD = bytes.fromhex("303102010104 20")
DER_TAIL = bytes.fromhex("a00a06082a8648ce3d030107")


@dataclass(frozen=True, slots=True)
class Credentials:
    directory: Path
    server: str

    @property
    def service_account_key(self) -> Path:
        return self.directory / "service-accounts.key"

    @property
    def tokens(self) -> Path:
        return self.directory / "tokens.csv"

    @property
    def certificates(self) -> Path:
        return self.directory / "kube-apiserver-certificates"

    @property
    def admin(self) -> Path:
        return self.directory / "admin.kubeconfig"

    def write(self) -> None:
        token = secrets.token_hex(16)
        _write(self.tokens, f"{token},admin,admin,system:masters\n")
        _write(self.service_account_key, _key())
        self.kubeconfig("admin", token)

    def kubeconfig(self, name: str, token: str) -> Path:
        cluster = {
            "server": self.server,
            "certificate-authority": str(self.certificates / "apiserver.crt"),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "plane", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": "plane", "user": name}}],
            "current-context": name,
        }
        return _write(self.directory / f"{name}.kubeconfig", json.dumps(config, indent=1))


def _key() -> str:
    # A leading zero keeps the number below the curve's order.
    der = DER_HEAD + b"\0" + secrets.token_bytes(31) + DER_TAIL
    body = base64.b64encode(der).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----\n"


def _write(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path

package command

import "github.com/spf13/cobra"

func Topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "checks", Short: "what is checked, and what a verdict means", Long: topicChecks},
		{Use: "environment", Short: "variables, proxies, credentials, files", Long: TopicEnvironment},
		{Use: "exit-codes", Short: "what the exit codes mean", Long: topicExitCodes},
		{Use: "incidents", Short: "releases that were signed late, or wrongly", Long: TopicIncidents},
	}
}

const topicExitCodes = `
Exit codes, the same for every command and output format:

    0  verified: every required check of every subject was proved
    1  refuted: something contradicts what it should be
    2  usage: a malformed version or flag, an architecture or image that the release
       cannot have, a policy, trusted root or mirror that is not one; nothing was judged
    3  unknown: something could not be told, for being absent, unreachable, malformed,
       too large, never released, or not signed
  130  interrupted (Ctrl-C): what was known by then is printed
  143  terminated: likewise

Refuted comes before unknown, unknown before verified. Only 0 is proof.
Where a command answers and proves nothing (list, sbom, notes), 0 means that the answer
is whole and that nothing in it contradicts itself.
In a script, take 1 for an alarm and 3 for "try again, or look closer".
`

const topicChecks = `
Checks, each with the verdict verified, refuted or unknown:

  inventory   everything that the release must hold is there; what is expected is the
              union of kverify's own list, the SBOM and the CHANGELOG, so that
              an attacker who serves one list cannot shrink it
  digest      the bytes hash to their digest; name, index and platform agree
  signature   signed by the identity that the policy demands, certificate and log entry
              under the trusted root
  reference   the signed docker-reference names this image: kube-proxy served as
              kube-scheduler fails here
  binding     a strong claim ties the digest to the version: the signed SBOM, the
              promotion manifest read from its publisher, or what is compiled in. An
              older, genuine image served under the new tag fails here

Of what was seen elsewhere (-f, an archive, a digest), beside them:

  copy        what was seen is the image that its name says: its index, manifest or config,
              or what a known converter writes of one. A digest of another image or version
              fails here. Where it fails, the other checks are of the genuine image alone

On request, each a class of its own that stands for no other:

  anchor      of files: the layers in the SBOM that names them are those of the release's
              images, which another identity signed. Where images are examined, binding
              holds the SBOM against them anyway
  contents    the programs inside of an image are the files that the release signs: layers
              are read to their end, some hundred MB an image. Does not apply to pause, etcd
              and coredns, which are then unknown
  staging     signed by krel-staging when it was built, before promotion
  promotion   a signed record of its promotion (since September 2026)
  vsa         a signed summary that its verification PASSED (since October 2026); one
              that says FAILED refutes
  provenance  a signed statement of how it was built

What is absent, unreachable or unreadable is unknown; only a contradiction refutes.

--checks LIST runs other checks than the policy's. The verdict is then partial, and
says what was left out; digest and signature cannot be left out. --require LIST adds.

In the table, ok (on a terminal ✓) is verified, FAIL (✗) refuted, ? unknown; in -o wide also
- for not asked. What stands in brackets is not required and changes no verdict. -o wide has a
row a platform, and --explain NAME the story of one subject in words.
`

var TopicEnvironment = `
Every shared flag can be set by a variable, and a flag given on the command line wins:

` + variablesText() + `
A variable KVERIFY_... that is not in the list is a usage error, except for those that
Kubernetes sets beside a Service of that name.

Also read:

  HTTPS_PROXY, HTTP_PROXY, NO_PROXY    proxies
  SSL_CERT_FILE, SSL_CERT_DIR          the system's certificates; --ca-file adds to them, and
                                       what needs it is carried, not published
  NO_COLOR, TERM                       no colours if NO_COLOR is set or TERM is dumb
  XDG_CACHE_HOME, or ~/.cache          below it kverify/ keeps bytes that a digest names

Credentials of registries are looked for only when one asks for some, in this order; the
first that has something for it decides:

  DOCKER_AUTH_CONFIG                   the text of such a file itself
  DOCKER_CONFIG                        a directory with config.json or, as Kubernetes mounts
                                       a pull secret, .dockerconfigjson; or that file
  REGISTRY_AUTH_FILE                   podman's auth.json
  ~/.docker/config.json                unless DOCKER_CONFIG is set
  $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json

In a file the longest key counts that is the repository's name or a prefix of it (HOST/org
before HOST), never one of another path, host, port or scheme; credHelpers and credsStore
run docker-credential-NAME. A stand-in for a host of files (--endpoint) that asks for a user
and a password gets those of its host from the same files, else from the file NETRC names or
~/.netrc, never its "default". Hosts that Kubernetes publishes on get none, and no client
certificate. A password in a URL is refused.

There is no configuration file, and kverify works without a HOME.

The cache holds bytes and never a verdict: manifests, configs and signatures, hashed
again before use, at most 256 MiB. Tags are asked for in every run; a signature that
proves is not, though it may be gone from the registry since: -o wide says that it is from
the cache. It can be deleted at any time; --no-cache leaves it alone.

A policy or trusted root that is not the built-in one is named in the verdict, with its
digest. Neither may lie inside the mirror that it judges.
`

const TopicIncidents = `
Releases on record that were signed late or wrongly. That explains a verdict and never
changes one:

  wrong-identity-2022  v1.24.8: October and November 2022, signed by the identity
                       k8s-infra-gcr-promoter
  unsigned-2023-02     v1.24.11, v1.25.7, v1.26.2: partly unsigned, after trouble with the
                       promotion of images
  unsigned-1.28.2      v1.28.2: images for amd64 and arm64 signed late or not at all
  late-1.32.0          v1.32.0: signatures appeared days after the release
  kubectl-1.35.0       v1.35.0: the signature of kubectl for linux/amd64 is for other bytes

An incident matches exact digests, which "kverify policy show" lists with a link each,
and never a version: other bytes of that name may be an attack. Of some no digest is on
record here; then nothing is matched, and the policy says so.

--accept-incident ID lets a run exit with 0 if nothing but that incident keeps it from
being verified. The verdict stays what it is, and the report and its last line say what
was accepted. What is wrong with the bytes themselves, or with what ties them to the
version, is never accepted.

A release of the last days may still be in promotion: try again later.
`

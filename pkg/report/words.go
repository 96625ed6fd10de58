package report

// Kind is the kind of subject that a [Result] is about.
type Kind string

// The kinds.
const (
	KindRelease  Kind = "release"  // a version
	KindDocument Kind = "document" // a document that a release publishes about itself
	KindImage    Kind = "image"    // an index, or a platform of it
	KindFile     Kind = "file"     // of a release, or on a disk
	KindMirror   Kind = "mirror"   // what a mirror holds besides
	KindBlob     Kind = "blob"     // content that was to be brought into a mirror
	KindArtifact Kind = "artifact" // whatever a Sigstore bundle is of
)

// Kinds lists every kind that there is. A saved report with another one was not
// written by this program.
var Kinds = []Kind{KindRelease, KindDocument, KindImage, KindFile, KindMirror, KindBlob, KindArtifact}

// Keys of [Evidence.Fields] that several checks have.
const (
	FieldIdentity      = "identity"       // subject of the signer's certificate
	FieldIssuer        = "issuer"         // that vouched for the identity
	FieldRule          = "rule"           // the policy's name for the signer
	FieldLogIndex      = "logIndex"       // in the transparency log, decimal
	FieldLogID         = "logID"          // the log, in hex
	FieldLogged        = "integratedTime" // when the log took it in, RFC 3339
	FieldTimestamp     = "timestamp"      // by a timestamp authority, RFC 3339
	FieldReference     = "docker-reference"
	FieldKept          = "kept" // where it was kept since an earlier run, if it was not asked for in this one
	FieldSays          = "says" // what a document says, in words
	FieldSHA512        = "sha512"
	FieldPredicateType = "predicateType"
)

// Package support knows how long Kubernetes supports its releases, and which
// versions of its components go together.
//
// A [Schedule] is what upstream publishes about the life of every minor
// version: [Load] reads it from its publisher, [Embedded] is a snapshot that
// needs no network and says how old it is. It answers which minors are
// supported on a day, which patch of each is the newest, when support ends, and
// what upstream remarked on single patches; [Schedule.Warning] says in one
// sentence what speaks against using a version today.
//
// The version skew policy is [Rules], as data: [Check] holds the components of
// a cluster against it, [Allowed] says what may stand beside them, and
// [UpgradeOrder] in which order components go from one minor to another.
//
// All of this is information for people. None of it is proof of anything, and
// no verdict on a release depends on it.
package support

// Package support knows how long Kubernetes supports its releases, and which
// versions of its components go together.
package support

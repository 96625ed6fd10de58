// Package interop holds kverify to registries and clients that other people
// wrote. It is a module of its own; `make interop` runs it.
package interop

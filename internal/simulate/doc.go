// Package simulate holds no code that ships. Its test draws worlds and attackers from
// a seed, runs the program's own command lines over them, and holds every report
// against what the world released.
//
// A world is a clone of one of a few signed ones ([world.New]). An attacker has one to
// six controls: those of package world, edits of any document that is served, and edits
// of what lies on a disk between two runs. A scene is what is done then: images,
// references, files, packages, archives, lists, downloads, mirrors that an operator vouches for or
// not, checks that are demanded besides, a push and its reading back,
// by cli.Run, in a bubble of testing/synctest, so that time and retries cost nothing.
//
// What must hold, whatever was drawn:
//
//   - nothing is verified that the world did not release under that name ([world.Truth]);
//
//   - without an attack, verdict and reason are what package world/expect allows, and
//     nothing at all is refuted;
//
//   - exit code, JSON and text agree, and so do a report's verdicts and its checks;
//
//   - what has got its name on the disk, by download or mirror, is what was released;
//
//   - no goroutine and no open file is left, no fault of the program itself is met, memory
//     and the world's time that a run takes are bounded, and no world hangs;
//
//   - the same seed gives the same report.
//
//     make simulate N=10000 SEED=1
package simulate

// Package control breaks a process from outside. A process serves a socket, and a controller sends it orders: cut a
// link, make a disk hang, hold an operation at a step, watch events. `stasis up` and servers started with --lab do.
//
// The package is experimental: names may change until the fault lab is finished.
//
//	c, err := control.Dial(ctx, dir+"/"+control.SocketName)
//	defer c.Close()
//	rule, err := c.Do(ctx, control.Order{Do: control.DiskHang, Server: "dbserver-2", Calls: &control.Calls{Kinds: []string{"sync"}}})
//	…
//	_, err = c.Do(ctx, control.Order{Do: control.RuleEnd, Rule: rule.Rule.ID})
//
// # The protocol
//
// The socket is a Unix socket; nothing listens on TCP. Requests and answers are JSON, one a line. A request
// has a number, chosen by the controller, and its answer has the same number. Answers come in any order. The first
// request is [Hello]; the answer has the version of the protocol. What a request started, such as a stream of events, sends
// lines with that number after the answer.
//
// Rules last as long as the process. A process that was started again has none. Holds of a server's own socket end with the
// connection that asked for them, so that a controller that dies leaves no operation held. Over the socket of stasis up they
// last until they are released: a person asks for them with one command, and releases them with another.
//
// # Who may
//
// The user of the process, and root. The socket has mode 0600 in a directory of its own of mode 0700, and on Linux a
// controller with another user's id is refused, whatever the modes are.
package control

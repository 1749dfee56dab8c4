// Package mongostore keeps metrics in MongoDB, in the collections and documents
// of the Node backend: either can continue the other's database, and both may
// work on it at once. Changes are followed by a change stream where the
// deployment has them. It knows nothing of polling or sockets.
package mongostore

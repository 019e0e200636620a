#ifndef ROOMCAST_LOG_H
#define ROOMCAST_LOG_H

// rc_log_install takes libav's log away from standard error. Idempotent.
void rc_log_install(void);

#endif

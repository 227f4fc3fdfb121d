return { epoch, text(now) }

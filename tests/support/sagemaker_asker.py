"""Put requests to sagemaker-inference's own transformer; JSON lines in, JSON lines out."""

import base64
import json
import sys

from sagemaker_inference.default_handler_service import DefaultHandlerService


class Processor:
    def __init__(self, properties):
        self.properties = properties

    def get_request_properties(self):
        return self.properties


class Context:
    def __init__(self, model_dir):
        self.system_properties = {"model_dir": model_dir}
        self.request_processor = [None]
        self.status, self.content_type = 200, None

    def set_response_content_type(self, _index, value):
        self.content_type = value

    def set_response_status(self, code=200, phrase="", idx=0):
        self.status = code


service = None
for line in sys.stdin:
    asked = json.loads(line)
    context = Context(asked["model_dir"])
    context.request_processor[0] = Processor(dict(asked["headers"]))
    if service is None:
        service = DefaultHandlerService()
        service.initialize(context)
    service._service._context = context
    (body,) = service.handle([{"body": bytearray(base64.b64decode(asked["body"]))}], context)
    body = body if isinstance(body, (str, bytes)) else json.dumps(body)
    body = body.encode() if isinstance(body, str) else bytes(body)
    answer = {"status": context.status, "content_type": context.content_type}
    sys.stdout.write(json.dumps({**answer, "body": base64.b64encode(body).decode()}) + "\n")
    sys.stdout.flush()

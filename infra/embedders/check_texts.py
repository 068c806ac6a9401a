"""Texts of many kinds on which an exported model must agree with its original."""

from __future__ import annotations

CHECK_TEXTS = (
    "How many days of leave do I have?",
    "leave",
    "Every employee has 28 days of paid leave a year. Unused days move to the next year until the "
    "end of March, after which they lapse, unless illness or the company's needs prevented their "
    "use. Part-time staff have a share of these days that corresponds to their weekly hours.",
    "The pump must be switched off before its cover is opened. Wait until the red lamp has gone "
    "out, at least thirty seconds, then loosen the four screws crosswise.",
    "| Plan | Price per month | Storage |\n|---|---|---|\n| Small | 4.90 € | 20 GB |\n"
    "| Large | 19.90 € | 500 GB |",
    "def area(width: float, height: float) -> float:\n    return width * height\n",
    '{"status": "failed", "attempts": 3, "error": {"code": 503, "retry_after_s": 20}}',
    "2023-04-01 17,204.55 12.7 % 3.1e-9 0x7fff 192.0.2.17",
    "Die Kündigungsfrist beträgt drei Monate zum Ende eines Kalendervierteljahres.",
    "Le contrat peut être résilié par lettre recommandée, un mois avant son échéance.",
    "El depósito se devuelve dentro de los catorce días siguientes a la entrega de las llaves.",
    "申请人应当在收到通知之日起十五日内提交补充材料。",
    "يجب تقديم الطلب قبل نهاية الشهر مع نسخة من الهوية.",
    "Заявление рассматривается в течение тридцати дней.",
    "Error: connection refused (host db-2, port 5432); check that the service is running.",
    "Thanks 🙂 — see you on Friday!!",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen. In plants it takes "
    "place in the chloroplasts, whose pigment absorbs red and blue light and reflects green.",
    "Open Settings > Network > Proxy, choose Manual, and enter the address. Save. Restart the "
    "application for the change to take effect.",
    "- bread\n- two onions\n- olive oil\n- 400 g of tomatoes",
    "Pursuant to section 12(3), the tenant shall not assign, sublet or part with possession of the "
    "premises without the prior written consent of the landlord, such consent not to be "
    "unreasonably withheld or delayed.",
    "The city lies on both banks of the river. " * 30,
)

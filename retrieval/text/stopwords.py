"""Stop-words: words that say little about what a text is about, by language."""

from __future__ import annotations


def listed(text: str) -> frozenset[str]:
    """The words of a text, as a set to look words up in."""
    return frozenset(text.split())


STOPWORDS: dict[str, frozenset[str]] = {
    "en": listed(
        """
        a about above after again all also am an and any are aren't as at be because been before
        being below between both but by can can't could did didn't do does doesn't doing don't
        down during each few for from further had has have haven't having he her here hers
        herself him himself his how i i'm if in into is isn't it it's its itself just let may me
        might more most must my myself no nor not now of off on once only or other our ours
        ourselves out over own per please same shall she should so some such tell than that
        that's the their theirs them themselves then there these they this those through to too
        under until up upon us very was wasn't we were what what's when where which while who
        whom whose why will with within without would you your yours yourself
        """
    ),
    "de": listed(
        """
        aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bei
        beim bin bis bist bitte da dabei dadurch dafür damit dann das dass davon dazu dein deine
        dem den denn der des dessen dich die dies diese diesem diesen dieser dieses dir doch
        dort du durch ein eine einem einen einer eines er es etwa etwas euer für gibt habe haben
        hat hatte hier hin ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins ist ja jede
        jedem jeden jeder jedes kann kein keine keinem keinen keiner können man mein meine
        meinem meinen meiner mich mir mit muss müssen nach nicht noch nun nur ob oder ohne pro
        schon sehr sein seine seinem seinen seiner sich sie sind so soll sollen sondern sowie
        über um und uns unser unsere unter vom von vor wann war waren warum was welche welchem
        welchen welcher welches wem wen wenn wer werde werden wessen wie wieder wird wo wurde
        wurden zu zum zur zwischen
        """
    ),
    "fr": listed(
        """
        à afin ai ainsi alors après au aucun aucune aussi autre aux avant avec avoir c'est car
        ce ceci cela celle celui ces cet cette ceux chaque chez ci combien comme comment d dans
        de depuis des doit dois donc dont du elle elles en encore entre est et été être eu eux
        fait faut il ils j je l la laquelle le lequel les leur leurs lors lui m ma mais me même
        mes moi mon n ne ni non nos notre nous on ont ou où par parce pas pendant peu peut peux
        plus pour pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se sera ses
        si son sont sous sur ta te tes toi ton tous tout toute toutes très tu un une va vers vos
        votre vous y
        """
    ),
    "es": listed(
        """
        a al algo alguna algunas alguno algunos ante antes aquel aquella así aún aunque cada
        como cómo con contra cual cuál cuando cuándo cuánto cuántos cuántas de del desde donde
        dónde dos durante e el él ella ellas ellos en entre era es esa ese eso esta está están
        este esto estos fue ha hace han hasta hay la las le les lo los más me mi mis mucho muy
        nada ni no nos nosotros nuestra nuestro o otra otro para pero poco por porque puede
        puedo pues que qué quien quién se sea según ser si sí sido sin sobre son su sus también
        tan te tiene tienen todo todos tu tus u un una uno unos usted y ya yo
        """
    ),
}
"""Lower case, as written, with accents."""

GENERIC = listed(
    """
    amount call called consist contain different example get give given happen kind know known
    list main many mean means much name need number people place show someone everyone anyone
    everybody anybody sort thing time type use used using want way work art heißen nennen viel
    viele beispiel nombre genre exemple type ejemplo tipo nombre
    """
)
"""Words that questions are full of and that say little about what would answer them."""
